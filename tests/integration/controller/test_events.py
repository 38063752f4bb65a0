"""The recorder writes an event once, and counts it up when it happens again."""

import asyncio

import pytest

from kafkatrigger.controller import events
from kafkatrigger.controller.cache import Cache, Trigger
from kafkatrigger.controller.cluster import Cluster
from kafkatrigger.controller.events import Notice, Recorder
from tests.cluster.control_plane import ControlPlane
from tests.integration.controller.world import World
from tests.support.kubernetes import EVENTS, Api

NOTICE = Notice("Warning", "NotReady", "TopicNotFound: create it")


@pytest.fixture
def trigger(api: Api, namespace: str) -> Trigger:
    cache = Cache()
    key = cache.observe(World(api, namespace).apply())
    found = cache.trigger(key)
    assert found
    return found


@pytest.fixture
def cluster(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(control_plane.kubeconfig))
    return Cluster(threads=2)


def record(cluster: Cluster, trigger: Trigger, times: int) -> None:
    async def several() -> None:
        recorder = Recorder(cluster)
        for _ in range(times):
            await recorder.record(trigger, NOTICE)

    asyncio.run(several())


def counts(api: Api, namespace: str) -> list[int]:
    return [each["count"] for each in api.items(EVENTS.format(namespace))]


def test_at_once_again_is_left_out(api: Api, cluster: Cluster, trigger: Trigger) -> None:
    record(cluster, trigger, 3)
    assert counts(api, trigger.key.namespace) == [1]


def test_later_again_is_counted(api: Api, cluster: Cluster, trigger: Trigger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "QUIET", 0.0)
    record(cluster, trigger, 3)
    assert counts(api, trigger.key.namespace) == [3]


def test_an_event_that_was_forgotten_is_written_again(
    api: Api, cluster: Cluster, trigger: Trigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "QUIET", 0.0)

    async def with_expiry() -> None:
        recorder = Recorder(cluster)
        await recorder.record(trigger, NOTICE)
        for each in api.items(EVENTS.format(trigger.key.namespace)):
            api.delete(f"{EVENTS.format(trigger.key.namespace)}/{each['metadata']['name']}")
        await recorder.record(trigger, NOTICE)

    asyncio.run(with_expiry())
    assert counts(api, trigger.key.namespace) == [2]


def test_a_restarted_operator_does_not_fail(api: Api, cluster: Cluster, trigger: Trigger) -> None:
    record(cluster, trigger, 1)
    record(cluster, trigger, 1)
    assert counts(api, trigger.key.namespace) == [1]
