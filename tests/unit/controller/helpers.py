"""Triggers and settings as the tests of the controller make them."""

from typing import Any

from kafkatrigger.api.resources import API_VERSION, KIND
from kafkatrigger.api.validation import Accepted, accept
from kafkatrigger.controller.cache import Cache, Key, Scale, Trigger
from kafkatrigger.controller.conditions import yes
from kafkatrigger.controller.observation import Observation, Workload
from kafkatrigger.controller.pods import Container, Pod
from kafkatrigger.controller.settings import Settings
from kafkatrigger.kafka.brokers import Finding

Body = dict[str, Any]

KEY = Key("plant-7", "rul")

SPEC: Body = {
    "kafka": {"bootstrapServers": ["kafka:9092"]},
    "source": {"topics": ["machine-data"]},
    "transformation": {"function": "package.module:function"},
}


def settings(**changes: Any) -> Settings:
    images = {"consumer": {"image": "consumer:1", "pullPolicy": "IfNotPresent"}, "runtime": {"image": "runtime:1"}}
    return Settings.model_validate({**images, **changes})


def body(name: str = "rul", namespace: str = "plant-7", **changes: Any) -> Body:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-of-{name}",
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata | changes.pop("metadata", {}),
        "spec": SPEC,
        **changes,
    }


def trigger(**changes: Any) -> Trigger:
    cache = Cache()
    found = cache.trigger(cache.observe(body(**changes)))
    assert found
    return found


def accepted(spec: Body, given: Settings | None = None, key: Key = KEY) -> Accepted:
    used = given or settings()
    result = accept(*key, {**SPEC, **spec}, used.defaults, used.group_id_prefix)
    assert isinstance(result, Accepted), result
    return result


def container(name: str = "consumer", *, waiting: str = "", message: str = "", ended: str = "") -> Container:
    return Container(name, f"example.com/{name}:1", not waiting, waiting, message, ended, 4)


def make_pod(name: str = "p1", *containers: Container, ready: bool = True, running: bool = True, **changes: Any) -> Pod:
    fields: dict[str, Any] = {
        "namespace": "plant-7",
        "name": name,
        "uid": f"uid-{name}",
        "version": 1,
        "owner_kind": "ReplicaSet",
        "owner_name": "rul-consumer-abc",
        "ip": "10.0.0.1",
        "template": "new",
        "revision": "new",
        "stopped": "",
        "ready": ready,
        "running": running,
        "deleting": False,
        "unschedulable": "",
        "containers": containers or (container("runtime"), container()),
    }
    return Pod(**{**fields, **changes})


def make_workload(
    *pods: Pod, wanted: int = 1, observed: int = 2, failure: str = "", replicas: int | None = None
) -> Workload:
    scale = Scale(observed, wanted, len(pods) if replicas is None else replicas, "new", "new", failure)
    return Workload(2, scale, pods)


def make_observation(*pods: Pod, **changes: Any) -> Observation:
    fields: dict[str, Any] = {
        "name": "rul",
        "generation": 3,
        "accepted": yes("Accepted", "the spec is valid"),
        "servers": ("kafka:9092",),
        "topics": ("machine-data",),
        "finding": Finding(),
        "desired": 1,
        "workload": make_workload(*pods),
    }
    return Observation(**{**fields, **changes})
