"""kopf: the only module that knows it. One handler per watched kind, each hands the object on and returns.

There are no create, update, resume or delete handlers, timers or daemons: kopf keeps their state in annotations of the
resource and forces finalizers on it.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import kopf

from kafkatrigger.api.resources import GROUP, KIND, PLURAL, VERSION
from kafkatrigger.controller.cache import Body
from kafkatrigger.controller.names import CHILDREN

Observe = Callable[[Body, bool], None]
"""Takes an object and whether it is gone."""

SERVER_TIMEOUT = 300
"""Seconds after which the API server ends a watch; the client waits a little longer, so that a silent death is noticed."""

_CHILDREN: tuple[tuple[str, ...], ...] = (
    ("apps", "v1", "deployments"),
    ("", "v1", "configmaps"),
    ("", "v1", "pods"),
    ("policy", "v1", "poddisruptionbudgets"),
    ("", "v1", "serviceaccounts"),
    ("rbac.authorization.k8s.io", "v1", "rolebindings"),
)
KINDS = (KIND, "Deployment", "ConfigMap", "Pod", "PodDisruptionBudget", "ServiceAccount", "RoleBinding")
"""What is watched."""


def registry(observe: Observe) -> kopf.OperatorRegistry:
    """A handler for every watched kind."""
    handlers = kopf.OperatorRegistry()
    kopf.on.login(id="login", registry=handlers)(_login)
    for selector in ((GROUP, VERSION, PLURAL), *_CHILDREN):
        kopf.on.event(*selector, id=selector[-1], registry=handlers)(_handler(observe))
    return handlers


async def watch(observe: Observe, namespaces: Sequence[str], health_port: int) -> None:
    """Watches until the process is told to end."""
    for chatty in ("kopf.objects", "aiohttp.access"):  # a line for every event, and for every probe
        logging.getLogger(chatty).setLevel(logging.WARNING)
    await kopf.operator(
        registry=registry(observe),
        settings=_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        liveness_endpoint=f"http://0.0.0.0:{health_port}/healthz",
    )


def _login(**arguments: Any) -> kopf.ConnectionInfo | None:
    """Again after a 401: the token of a pod is replaced every hour."""
    return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)


def _handler(observe: Observe) -> Any:
    async def handle(event: kopf.RawEvent, **_: Any) -> None:
        observe(event["object"], event["type"] == "DELETED")

    return handle


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True  # the kinds are known, and watching CRDs needs rights in the whole cluster
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.watching.server_timeout = SERVER_TIMEOUT
    settings.watching.client_timeout = SERVER_TIMEOUT + 30
    settings.watching.connect_timeout = 10
    for selector in _CHILDREN:
        settings.watching.label_selectors[selector] = CHILDREN  # type: ignore[index]
    return settings
