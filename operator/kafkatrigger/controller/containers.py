"""The two containers of a consumer pod. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from kafkatrigger.api import logs
from kafkatrigger.api.adapters import SECRETS_PATH
from kafkatrigger.api.checkpoint import CHECKPOINT_PATH, CHUNKS
from kafkatrigger.api.configure import start_policy
from kafkatrigger.api.consumer_config import CONFIG_PATH, CONTROL_SOCKET, RUNTIME_SOCKET, STATUS_PORT, TRIGGER_UID
from kafkatrigger.api.pods import Resources
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.api.start_policy import StartPolicy, to_environment
from kafkatrigger.api.stop import REVISION_VARIABLE, STOPPED_PATH
from kafkatrigger.controller.access import token_mounts
from kafkatrigger.controller.names import LOG_LEVEL, STOPPED, checkpoint_name
from kafkatrigger.controller.settings import Image, Log, Settings

Manifest = dict[str, Any]

# Names that start with kafkatrigger- are kept from users by the resource's schema.
CONFIG_VOLUME = "kafkatrigger-config"
RUN_VOLUME = "kafkatrigger-run"
TEMPORARY_VOLUME = "kafkatrigger-tmp"
CONTROL_VOLUME = "kafkatrigger-control"
POD_VOLUME = "kafkatrigger-pod"
CHECKPOINT_VOLUME = "kafkatrigger-checkpoint"
LOG_VOLUME = "kafkatrigger-log"
ADAPTER_VOLUME = "kafkatrigger-adapter"

LOG_LEVEL_PATH = "/etc/kafkatrigger-log/level"
"""Empty, or the level that the operator tells of; mounted in both containers."""

CONSUMER_USER = 65532
RUNTIME_USER = 65533

CONSUMER_REQUESTS = {"cpu": "25m", "memory": "64Mi"}
RUNTIME_REQUESTS = {"cpu": "50m", "memory": "128Mi"}

HUNG_GRACE = 5
"""Seconds between the signals to end and to die, for a consumer whose loop hangs."""

LONGEST_ANNOTATION = 1024
"""Bytes of partition timestamps that are shown; the environment carries the others."""


def consumer(uid: str, spec: KafkaTriggerSpec, settings: Settings, revision: str) -> Manifest:
    """Owns the Kafka clients; the only container with their credentials."""
    return {
        "name": "consumer",
        **_image(settings.consumer),
        "args": ["--config", CONFIG_PATH],
        "env": [
            *_variables(to_environment(start_policy(spec))),
            *_variables(_log(settings)),
            _field("KAFKATRIGGER_POD_NAME", "metadata.name"),
            _field("KAFKATRIGGER_POD_NAMESPACE", "metadata.namespace"),
            _field("KAFKATRIGGER_POD_UID", "metadata.uid"),
            *_variables({REVISION_VARIABLE: revision, TRIGGER_UID: uid}),
        ],
        "ports": [{"name": "status", "containerPort": STATUS_PORT, "protocol": "TCP"}],
        # What hangs does not drain: it is not given the pod's time for that.
        "livenessProbe": {
            **_probe("/healthz", period=10, timeout=5, failures=3),
            "terminationGracePeriodSeconds": HUNG_GRACE,
        },
        # The pod's readiness is how the operator learns within seconds that messages stopped to flow.
        "readinessProbe": _probe("/readyz", period=2, timeout=2, failures=1),
        "resources": {"requests": CONSUMER_REQUESTS},
        "securityContext": _security(CONSUMER_USER),
        "volumeMounts": [
            _read_only(CONFIG_VOLUME, CONFIG_PATH.rpartition("/")[0]),
            _read_only(POD_VOLUME, STOPPED_PATH.rpartition("/")[0]),
            _read_only(CHECKPOINT_VOLUME, str(CHECKPOINT_PATH)),
            _read_only(LOG_VOLUME, LOG_LEVEL_PATH.rpartition("/")[0]),
            _mount(RUN_VOLUME, RUNTIME_SOCKET.rpartition("/")[0]),
            _mount(CONTROL_VOLUME, CONTROL_SOCKET.rpartition("/")[0]),
            *token_mounts(spec),
        ],
    }


def consumer_volumes(name: str) -> list[Manifest]:
    """Volumes of the consumer container alone: what it may be asked through, and what the operator tells it."""
    # Whatever there is of a checkpoint: the template is the same with none and with the largest.
    chunks = [{"configMap": {"name": checkpoint_name(name, chunk), "optional": True}} for chunk in range(CHUNKS)]
    return [
        {"name": CHECKPOINT_VOLUME, "projected": {"sources": chunks}},
        {"name": CONTROL_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        _annotation_volume(POD_VOLUME, STOPPED, STOPPED_PATH),
    ]


def log_volume() -> Manifest:
    """How both containers learn of the trigger's log level while they run."""
    return _annotation_volume(LOG_VOLUME, LOG_LEVEL, LOG_LEVEL_PATH)


def _annotation_volume(name: str, annotation: str, path: str) -> Manifest:
    """An annotation of the pod as a file, which the kubelet keeps up to date."""
    item = {"path": path.rpartition("/")[2], "fieldRef": {"fieldPath": f"metadata.annotations['{annotation}']"}}
    return {"name": name, "downwardAPI": {"items": [item]}}


def runtime(name: str, spec: KafkaTriggerSpec, settings: Settings) -> Manifest:
    """Runs the transformation. A native sidecar: it starts before the consumer and outlives the consumer's drain."""
    return {
        "name": "runtime",
        **_runtime_image(spec, settings),
        # Arguments alone: the image's own entrypoint decides which Python runs.
        "args": ["--socket", RUNTIME_SOCKET, "--workers", str(spec.runtime.workers)],
        "restartPolicy": "Always",
        "env": _runtime_environment(name, spec, settings),
        "resources": _resources(spec.runtime.resources),
        "securityContext": _security(RUNTIME_USER),
        "volumeMounts": [
            _mount(RUN_VOLUME, RUNTIME_SOCKET.rpartition("/")[0]),
            _mount(TEMPORARY_VOLUME, "/tmp"),  # noqa: S108 - the container's own
            _read_only(LOG_VOLUME, LOG_LEVEL_PATH.rpartition("/")[0]),
            *(_read_only(volume, f"{SECRETS_PATH}/{adapter}") for volume, adapter, _ in _adapter_secrets(spec)),
            *(mount.model_dump(by_alias=True, exclude_none=True) for mount in spec.pod_template.volume_mounts),
        ],
    }


def adapter_volumes(spec: KafkaTriggerSpec) -> list[Manifest]:
    """The Secrets of adapters, which the runtime alone has."""
    return [{"name": volume, "secret": {"secretName": secret}} for volume, _, secret in _adapter_secrets(spec)]


def _adapter_secrets(spec: KafkaTriggerSpec) -> list[tuple[str, str, str]]:
    """Volume, adapter and Secret, of adapters that have one."""
    numbered = enumerate(spec.transformation.adapters)
    return [
        (f"{ADAPTER_VOLUME}-{number}", each.name, each.secret.name)
        for number, each in numbered
        if each.secret is not None
    ]


def short_timestamps(policy: StartPolicy) -> str:
    """The partition timestamps as an annotation shows them, or nothing where they are long."""
    text = msgspec.json.encode(policy.timestamps, order="sorted").decode()
    return text if policy.timestamps and len(text) <= LONGEST_ANNOTATION else ""


def _runtime_image(spec: KafkaTriggerSpec, settings: Settings) -> Manifest:
    """An image of the user's own is pulled as Kubernetes would, unless the user says how."""
    default = settings.runtime
    if spec.runtime.image:
        return _image(Image(image=spec.runtime.image, pull_policy=spec.runtime.image_pull_policy))
    return _image(Image(image=default.image, pull_policy=spec.runtime.image_pull_policy or default.pull_policy))


def _image(image: Image) -> Manifest:
    return {"image": image.image} | ({"imagePullPolicy": image.pull_policy} if image.pull_policy else {})


def _runtime_environment(name: str, spec: KafkaTriggerSpec, settings: Settings) -> list[Manifest]:
    """The user's variables win over ours."""
    proxy = settings.proxy
    # The root file system is read-only and the user has no entry in passwd; libraries want a home to cache in.
    ours = {
        **_log(settings),
        "HOME": "/tmp",  # noqa: S108 - the container's own
        "HTTP_PROXY": proxy.http_proxy,
        "HTTPS_PROXY": proxy.https_proxy,
        "NO_PROXY": proxy.no_proxy,
        **_tracing(name, spec),
    }
    theirs = {each.name: each.model_dump(by_alias=True, exclude_none=True) for each in spec.runtime.env}
    unsaid = {name: value for name, value in ours.items() if value and name not in theirs}
    return [*_variables(unsaid), *theirs.values()]


def _tracing(name: str, spec: KafkaTriggerSpec) -> dict[str, str]:
    """What an OpenTelemetry SDK in the function needs, so that its spans come to lie below those of executions."""
    receiver = spec.tracing.receiver if spec.tracing is not None else None
    if receiver is None:
        return {}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": name,
    }


def _variables(given: Mapping[str, str]) -> list[Manifest]:
    return [{"name": name, "value": value} for name, value in given.items()]


def _log(settings: Settings) -> dict[str, str]:
    """What differs from what a process does by itself: a pod that says nothing of it has nothing to read about it."""
    wanted = {logs.FORMAT_VARIABLE: settings.log.format, logs.LEVEL_VARIABLE: settings.log.level}
    usual = Log()
    differing = {name: value for name, value in wanted.items() if value not in (usual.format, usual.level)}
    return {**differing, logs.LEVEL_FILE_VARIABLE: LOG_LEVEL_PATH}


def _resources(given: Resources) -> Manifest:
    """The default requests for what the user says nothing about: a request above the user's limit would be refused."""
    said = given.requests.keys() | given.limits.keys()
    requests = {name: value for name, value in RUNTIME_REQUESTS.items() if name not in said} | given.requests
    parts = {"requests": requests, "limits": given.limits}
    return {name: value for name, value in parts.items() if value}


def _security(user: int) -> Manifest:
    return {
        "runAsUser": user,
        "runAsGroup": user,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


def _probe(path: str, *, period: int, timeout: int, failures: int) -> Manifest:
    get = {"path": path, "port": "status"}
    return {"httpGet": get, "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures}


def _field(name: str, path: str) -> Manifest:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _mount(name: str, path: str) -> Manifest:
    return {"name": name, "mountPath": path}


def _read_only(name: str, path: str) -> Manifest:
    return {**_mount(name, path), "readOnly": True}
