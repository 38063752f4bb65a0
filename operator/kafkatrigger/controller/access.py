"""What lets the consumer of a trigger read the Transformations of its namespace, and nothing else. Pure.

The role is the chart's; the operator may bind that one and no other. The token is mounted in the consumer alone.
"""

from typing import Any

from kafkatrigger.api.consumer_config import CREDENTIALS_PATH
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.controller.names import consumer_name
from kafkatrigger.controller.settings import Settings

Manifest = dict[str, Any]

RBAC = "rbac.authorization.k8s.io"
TOKEN_VOLUME = "kafkatrigger-token"  # noqa: S105 - a name
TOKEN_SECONDS = 3600
"""The kubelet replaces it before. Not 3607, as Kubernetes writes for tokens that it mounts by itself: the API server lets
those live for a year.
"""


def account(name: str, spec: KafkaTriggerSpec) -> str:
    """The ServiceAccount of the pods; empty where they have no use for one."""
    said = spec.pod_template.service_account_name
    return said or (consumer_name(name) if spec.transformation.needs_transformations else "")


def binding_name(name: str, settings: Settings) -> str:
    """A role that is bound can never change, so the name says which one."""
    return f"{consumer_name(name)}.{settings.reader_kind}.{settings.transformation_reader}".lower()


def binding(account: str, namespace: str, settings: Settings) -> Manifest:
    """The RoleBinding, but for its metadata."""
    return {
        "roleRef": {"apiGroup": RBAC, "kind": settings.reader_kind, "name": settings.transformation_reader},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


def token_volumes(spec: KafkaTriggerSpec) -> list[Manifest]:
    """The token, and by what the API server is known; none where a function runs."""
    if not spec.transformation.needs_transformations:
        return []
    token = {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}}
    authority = {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    return [{"name": TOKEN_VOLUME, "projected": {"sources": [token, authority]}}]


def token_mounts(spec: KafkaTriggerSpec) -> list[Manifest]:
    """Where the consumer has them."""
    mount = {"name": TOKEN_VOLUME, "mountPath": CREDENTIALS_PATH, "readOnly": True}
    return [mount] if spec.transformation.needs_transformations else []
