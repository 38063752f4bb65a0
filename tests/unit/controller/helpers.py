"""Triggers and settings as the tests of the controller make them."""

from typing import Any

from kafkatrigger.api.resources import API_VERSION, KIND
from kafkatrigger.api.validation import Accepted, accept
from kafkatrigger.controller.cache import Cache, Key, Trigger
from kafkatrigger.controller.settings import Settings

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
