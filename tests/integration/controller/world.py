"""A namespace as a test acts on it, and what it waits for there."""

import copy
import time
from typing import Any

from tests.support.kubernetes import (
    BUDGETS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    PODS,
    TRANSFORMATIONS,
    TRIGGERS,
    Api,
    Body,
)
from tests.support.waiting import until

PATIENCE = 20.0
NOWHERE = "127.0.0.1:1"
"""A broker that never answers."""


class World:
    """Triggers, their objects and conditions in one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api, self.namespace = api, namespace
        self.servers = [NOWHERE]

    def path(self, collection: str, name: str = "") -> str:
        return collection.format(self.namespace) + (f"/{name}" if name else "")

    def apply(self, name: str = "rul", **spec: Any) -> Body:
        """Applies a trigger; keywords replace parts of its spec."""
        whole = {
            "kafka": {"bootstrapServers": self.servers},
            "source": {"topics": ["machine-data"]},
            "transformation": {"function": "package.module:function"},
            **spec,
        }
        manifest = {
            "apiVersion": "kafkatrigger.dev/v1alpha1",
            "kind": "KafkaTrigger",
            "metadata": {"name": name},
            "spec": whole,
        }
        return self.api.apply(self.path(TRIGGERS, name), manifest)

    def put_transformation(self, name: str = "rul-1-0-0", **spec: Any) -> Body:
        """Applies a component of this name, whose code never runs here."""
        whole = {
            "id": "3c1d7f0e-58a4-4c67-9f0b-2f8f6f3a9b11",
            "revisionGroupId": "a7e0c1de-6d0c-4f0e-8a53-70a1f2a4f7c2",
            "name": name,
            "versionTag": "1.0.0",
            "state": "Released",
            "component": {"code": "def main(): ..."},
            **spec,
        }
        manifest = {"apiVersion": "kafkatrigger.dev/v1alpha1", "kind": "Transformation", "metadata": {"name": name}}
        return self.api.apply(self.path(TRANSFORMATIONS, name), {**manifest, "spec": whole})

    def trigger(self, name: str = "rul") -> Body:
        return self.api.call("GET", self.path(TRIGGERS, name))

    def delete(self, name: str = "rul") -> None:
        self.api.delete(self.path(TRIGGERS, name))

    def remove_triggers(self) -> None:
        for trigger in self.api.items(self.path(TRIGGERS)):
            self.delete(trigger["metadata"]["name"])

    def conditions(self, name: str = "rul") -> dict[str, Body]:
        status = self.trigger(name).get("status", {})
        return {each["type"]: each for each in status.get("conditions", [])}

    def wait_condition(self, kind: str, status: str, reason: str, name: str = "rul") -> Body:
        """The condition, once it has this status and reason."""

        def reached() -> Body | None:
            condition = self.conditions(name).get(kind, {})
            return condition if (condition.get("status"), condition.get("reason")) == (status, reason) else None

        try:
            condition = until(reached, PATIENCE)
        except AssertionError:
            raise AssertionError(f"{kind} never became {status} {reason}: {self.conditions(name)}") from None
        assert condition is not None
        assert condition["observedGeneration"] == self.trigger(name)["metadata"]["generation"]
        return condition

    def wait_gone(self, kind: str, name: str = "rul") -> None:
        until(lambda: kind not in self.conditions(name), PATIENCE, f"no condition {kind}")

    def child(self, collection: str, name: str = "rul") -> Body:
        """An object of a trigger, once it is there."""
        path = self.path(collection, f"{name}-consumer")
        return copy.deepcopy(until(lambda: self.api.get(path) or {}, PATIENCE, path))

    def wait_no_object(self, collection: str, name: str) -> None:
        path = self.path(collection, name)
        until(lambda: self.api.get(path) is None, PATIENCE, f"the removal of {path}")

    def children(self, name: str = "rul") -> list[Body]:
        return [self.child(collection, name) for collection in (CONFIG_MAPS, DEPLOYMENTS, BUDGETS)]

    def versions(self, name: str = "rul") -> list[str]:
        """Of a trigger and its objects: each write changes one."""
        return [each["metadata"]["resourceVersion"] for each in (self.trigger(name), *self.children(name))]

    def rested_versions(self, name: str = "rul") -> list[str]:
        """The same, once nobody has written for half a second: Kubernetes' own controllers write as well."""

        def rested() -> list[str]:
            before = self.versions(name)
            time.sleep(0.5)
            return before if self.versions(name) == before else []

        return until(rested, PATIENCE, f"that nobody writes to {name}")

    def replicas(self, name: str = "rul") -> int:
        count: int = self.child(DEPLOYMENTS, name)["spec"]["replicas"]
        return count

    def wait_replicas(self, count: int, name: str = "rul") -> None:
        until(lambda: self.replicas(name) == count, PATIENCE, f"{count} replicas")

    def pods(self, count: int, name: str = "rul") -> list[Body]:
        """The pods of a trigger, once there are so many."""
        selector = f"app.kubernetes.io/instance={name},app.kubernetes.io/component=consumer"
        path = f"{self.path(PODS)}?labelSelector={selector}"

        def found() -> list[Body]:
            pods = [pod for pod in self.api.items(path) if "deletionTimestamp" not in pod["metadata"]]
            return pods if len(pods) == count else []

        return until(found, PATIENCE, f"{count} pods")

    def set_pod(self, pod: Body, *, ready: bool, ip: str = "127.0.0.1") -> None:
        """Does what a kubelet would report."""
        running = {"state": {"running": {}}, "ready": True, "restartCount": 0, "imageID": "", "started": True}
        conditions = [
            {"type": "Ready", "status": str(ready)},
            {"type": "ContainersReady", "status": str(ready)},
            {"type": "PodScheduled", "status": "True"},
        ]
        status = {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "conditions": conditions,
            "initContainerStatuses": [{"name": "runtime", "image": "r", **running}],
            "containerStatuses": [{"name": "consumer", "image": "c", **running, "ready": ready}],
        }
        self.api.merge(f"{self.path(PODS, pod['metadata']['name'])}/status", {"status": status})

    def set_waiting(self, pod: Body, container: str, reason: str, message: str) -> None:
        """A container that the kubelet cannot start."""
        waiting = {"state": {"waiting": {"reason": reason, "message": message}}}
        status = {
            "name": container,
            "image": f"example.com/{container}:1",
            "ready": False,
            "restartCount": 3,
            "imageID": "",
            **waiting,
        }
        field = "initContainerStatuses" if container == "runtime" else "containerStatuses"
        scheduled = [{"type": "PodScheduled", "status": "True"}]
        body = {"status": {"phase": "Pending", "conditions": scheduled, field: [status]}}
        self.api.merge(f"{self.path(PODS, pod['metadata']['name'])}/status", body)

    def finalizers(self, name: str = "rul") -> list[str]:
        """Of a trigger that is there."""
        found: list[str] = self.trigger(name)["metadata"].get("finalizers", [])
        return found

    def hold_pod(self, name: str, *, held: bool = True) -> None:
        """Keeps a pod that is deleted from being gone, as its drain does, until it is no longer held."""
        finalizers = ["example.com/drains"] if held else None
        self.api.merge(self.path(PODS, name), {"metadata": {"finalizers": finalizers}})

    def wait_deleted(self, name: str = "rul") -> None:
        """The trigger is gone."""
        self.wait_no_object(TRIGGERS, name)

    def events(self, name: str = "rul") -> list[tuple[str, str]]:
        """Type and reason of the events about a trigger."""
        return [(each["type"], each["reason"]) for each in self._events(name)]

    def event_texts(self, reason: str, name: str = "rul") -> list[str]:
        """What the events of a reason say."""
        return [each["message"] for each in self._events(name) if each["reason"] == reason]

    def _events(self, name: str) -> list[Body]:
        about = f"involvedObject.kind=KafkaTrigger,involvedObject.name={name}"
        return self.api.items(f"{self.path(EVENTS)}?fieldSelector={about}")

    def wait_event(self, kind: str, reason: str, name: str = "rul") -> None:
        until(
            lambda: (kind, reason) in self.events(name), PATIENCE, f"the event {reason}; there are {self.events(name)}"
        )
