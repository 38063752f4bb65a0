"""A pod as the operator sees it: who it is, whether it is ready, and what keeps it from that. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafkatrigger.controller.names import LOG_LEVEL, REVISION, STOPPED, TEMPLATE_HASH


@dataclass(frozen=True)
class Container:
    """One container of a pod."""

    name: str
    image: str
    running: bool
    waiting: str
    """The kubelet's reason, such as ImagePullBackOff."""
    message: str
    """The kubelet's message for it."""
    ended: str
    """How it ended the last time, as a sentence part; empty when it never did."""
    restarts: int


@dataclass(frozen=True)
class Pod:
    """A pod of a trigger."""

    namespace: str
    name: str
    uid: str
    version: int
    owner_kind: str
    owner_name: str
    ip: str
    template: str
    """Hash of the template that it was made from."""
    revision: str
    """Of the spec that it was made from."""
    stopped: str
    """The stop that it was told; empty when it was told none."""
    ready: bool
    running: bool
    deleting: bool
    unschedulable: str
    """The scheduler's message; empty when it found a node."""
    containers: tuple[Container, ...]
    log_level: str = ""
    """That it was told; empty when it was told none."""
    finished: bool = False
    """Nothing of it runs any more, nor will; such as an evicted one."""

    @property
    def answers(self) -> bool:
        """Whether its consumer can be asked for its status."""
        return bool(self.ip) and any(each.name == "consumer" and each.running for each in self.containers)


def controller_of(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reference to the owner that manages an object, or nothing."""
    return next((each for each in metadata.get("ownerReferences", []) if each.get("controller")), {})


def pod(body: Mapping[str, Any]) -> Pod:
    """The pod of a Kubernetes object."""
    metadata, status = body["metadata"], body.get("status") or {}
    annotations = metadata.get("annotations") or {}
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    owner = controller_of(metadata)
    containers = tuple(
        _container(each) for each in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    )
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        owner_kind=owner.get("kind", ""),
        owner_name=owner.get("name", ""),
        ip=status.get("podIP", ""),
        template=annotations.get(TEMPLATE_HASH, ""),
        revision=annotations.get(REVISION, ""),
        stopped=annotations.get(STOPPED, ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        running=status.get("phase") == "Running" and all(each.running for each in containers),
        deleting="deletionTimestamp" in metadata,
        unschedulable=_unschedulable(conditions.get("PodScheduled", {})),
        containers=containers,
        log_level=annotations.get(LOG_LEVEL, ""),
        finished=status.get("phase") in ("Succeeded", "Failed"),
    )


def _unschedulable(condition: Mapping[str, Any]) -> str:
    refused = condition.get("status") == "False" and condition.get("reason") == "Unschedulable"
    return condition.get("message", "no node takes it") if refused else ""


def _container(status: Mapping[str, Any]) -> Container:
    state = status.get("state") or {}
    waiting = state.get("waiting") or {}
    return Container(
        name=status["name"],
        image=status.get("image", ""),
        running="running" in state,
        waiting=waiting.get("reason", ""),
        message=waiting.get("message", ""),
        ended=_ended(state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}),
        restarts=status.get("restartCount", 0),
    )


def _ended(terminated: Mapping[str, Any]) -> str:
    if not terminated:
        return ""
    text = f"{terminated.get('reason', 'Error')}, exit code {terminated.get('exitCode', '?')}"
    message = " ".join(str(terminated.get("message", "")).split())
    return f"{text}: {message}" if message else text
