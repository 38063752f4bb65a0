"""How far pods say that they are is remembered, whole, and only ever further; it replaces no pod."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from kafkatrigger.api.pod_status import CONSUMING, PartitionStatus, PodStatus
from tests.cluster.broker import HostBroker
from tests.integration.controller.speaking_pod import SpeakingPod, pod_that_says
from tests.integration.controller.world import PATIENCE, World
from tests.support.kubernetes import CONFIG_MAPS, DEPLOYMENTS, PODS, Body
from tests.support.topics import Topics
from tests.support.waiting import until

HURRY = """
from kafkatrigger.controller import checkpointer, expiry, pod_reader
checkpointer.INTERVAL, checkpointer.FIRST_PAUSE, pod_reader.READY_PAUSE = 0.5, 0.5, 0.3
expiry.SHORT_RETENTION = 1e9
"""
"""Any retention counts as so short that the warning comes at once."""
NAME = "rul-consumer-checkpoint-0"
TIME = 1715764260123


@dataclass
class Speaker:
    """A pod that holds one partition."""

    name: str
    status: PodStatus
    speaking: SpeakingPod

    def commit(self, offset: int, timestamp: int | None = TIME) -> None:
        (at,) = self.status.partitions
        at.committed, at.timestamp, at.lag = offset, timestamp, 3


def speaker(world: World, pod: Body, at: PartitionStatus, stack: ExitStack) -> Speaker:
    status = PodStatus("n/rul", True, CONSUMING, "consuming", f"test.{world.namespace}.rul", [at])
    speaking = stack.enter_context(pod_that_says(status))
    world.set_pod(pod, ready=True, ip=speaking.address)
    return Speaker(pod["metadata"]["name"], status, speaking)


@pytest.fixture
def topic(broker: HostBroker) -> str:
    return Topics(broker.bootstrap).create(partitions=2)


@pytest.fixture
def speakers(connected_world: World, topic: str) -> Iterator[list[Speaker]]:
    """Two pods, of which the second says nothing of its partition yet."""
    connected_world.apply(source={"topics": [topic]}, scaling={"replicas": 2})
    held = [
        PartitionStatus(topic, 0, 5, 5, 1, "Committed", timestamp=TIME),
        PartitionStatus(topic, 1, 0, None, None, ""),
    ]
    with ExitStack() as stack:
        yield [speaker(connected_world, pod, at, stack) for pod, at in zip(connected_world.pods(2), held, strict=True)]


def marks(world: World, topic: str) -> dict[str, Any]:
    found = world.api.get(world.path(CONFIG_MAPS, NAME))
    return json.loads(found["data"]["0.json"]).get(topic, {}) if found else {}


def wait_offsets(world: World, topic: str, **offsets: int) -> None:
    wanted = {number.removeprefix("p"): offset for number, offset in offsets.items()}
    until(
        lambda: {number: mark[0] for number, mark in marks(world, topic).items()} == wanted,
        PATIENCE,
        f"{wanted}: {marks(world, topic)}",
    )


def whole(world: World, topic: str, speakers: list[Speaker]) -> None:
    """The first checkpoint."""
    speakers[1].commit(7)
    wait_offsets(world, topic, p0=5, p1=7)


def test_the_first_is_whole_and_replaces_no_pod(connected_world: World, topic: str, speakers: list[Speaker]) -> None:
    world = connected_world
    generation = world.child(DEPLOYMENTS)["metadata"]["generation"]
    pods = {pod["metadata"]["uid"] for pod in world.pods(2)}
    until(lambda: len(speakers[1].speaking.asked) > 5, PATIENCE, "that the second pod is asked")
    assert marks(world, topic) == {}
    whole(world, topic, speakers)
    until(lambda: "partitionTimestamps" in world.trigger()["status"], PATIENCE, "the status")
    status = world.trigger()["status"]
    assert status["partitionTimestamps"] == {topic: {"0": TIME, "1": TIME}}
    assert status["lag"] == 4
    metadata = world.api.call("GET", world.path(CONFIG_MAPS, NAME))["metadata"]
    assert metadata["ownerReferences"][0]["uid"] == world.trigger()["metadata"]["uid"]
    assert world.child(DEPLOYMENTS)["metadata"]["generation"] == generation
    assert {pod["metadata"]["uid"] for pod in world.pods(2)} == pods


def test_it_goes_on_and_never_back(connected_world: World, topic: str, speakers: list[Speaker]) -> None:
    whole(connected_world, topic, speakers)
    speakers[0].commit(50, TIME + 1)
    wait_offsets(connected_world, topic, p0=50, p1=7)
    speakers[0].commit(40)
    speakers[1].commit(60)
    wait_offsets(connected_world, topic, p0=50, p1=60)


def test_nothing_is_written_when_nothing_changes(connected_world: World, topic: str, speakers: list[Speaker]) -> None:
    world = connected_world
    whole(world, topic, speakers)
    until(lambda: world.trigger()["status"].get("lag") == 4, PATIENCE, "the lag")

    def checkpoint() -> str:
        version: str = world.api.call("GET", world.path(CONFIG_MAPS, NAME))["metadata"]["resourceVersion"]
        return version

    before = world.rested_versions(), checkpoint()
    time.sleep(1.5)  # two checkpoints of which nothing is to be seen
    assert (world.versions(), checkpoint()) == before


def test_a_suspended_trigger_has_the_last_words_of_its_pods(
    connected_world: World, topic: str, speakers: list[Speaker]
) -> None:
    world = connected_world
    whole(world, topic, speakers)
    for each in speakers:
        world.hold_pod(each.name)
    world.apply(source={"topics": [topic]}, scaling={"replicas": 2}, suspend=True)
    until(lambda: leaving(world) == 2, PATIENCE, "that the pods drain")
    for each in speakers:
        each.commit(99)
        asked(each.speaking, 2)
        world.hold_pod(each.name, held=False)
    wait_offsets(world, topic, p0=99, p1=99)
    world.wait_condition("Ready", "False", "Suspended")
    warning = world.wait_condition("Warning", "True", "OffsetsExpiring")["message"]
    assert "offsets.retention.minutes is 10080" in warning
    world.apply(source={"topics": [topic]}, scaling={"replicas": 2})
    world.wait_gone("Warning")


def leaving(world: World) -> int:
    return sum("deletionTimestamp" in pod["metadata"] for pod in world.api.items(world.path(PODS)))


def asked(pod: SpeakingPod, more: int) -> None:
    before = len(pod.asked)
    until(lambda: len(pod.asked) >= before + more, PATIENCE, "that the pod is asked")


def test_it_goes_with_its_trigger(connected_world: World, topic: str, speakers: list[Speaker]) -> None:
    whole(connected_world, topic, speakers)
    connected_world.delete()
    connected_world.wait_no_object(CONFIG_MAPS, NAME)


@pytest.mark.parametrize(
    "harm",
    [
        lambda world, path: world.api.delete(path),
        lambda world, path: world.api.merge(path, {"data": {"0.json": "["}}),
    ],
    ids=["deleted", "damaged"],
)
def test_one_that_somebody_harmed_is_taken_anew(
    connected_world: World, topic: str, speakers: list[Speaker], harm: Callable[[World, str], None]
) -> None:
    whole(connected_world, topic, speakers)
    harm(connected_world, connected_world.path(CONFIG_MAPS, NAME))
    wait_mended = connected_world.path(CONFIG_MAPS, NAME)
    until(lambda: "7" in ((connected_world.api.get(wait_mended) or {}).get("data") or {}).get("0.json", ""), PATIENCE)
    wait_offsets(connected_world, topic, p0=5, p1=7)


def test_a_suspended_trigger_that_is_replayed_would_begin_there(
    connected_world: World, topic: str, speakers: list[Speaker], broker: HostBroker
) -> None:
    """Also where the brokers forget what was committed, which they do of a group that nobody is in."""
    world, topics = connected_world, Topics(broker.bootstrap)
    for partition in (0, 1):
        topics.produce(topic, [(b"k", b"{}")] * 10, partition=partition)
    whole(world, topic, speakers)
    suspended: dict[str, Any] = {"source": {"topics": [topic]}, "scaling": {"replicas": 2}, "suspend": True}
    world.apply(**suspended)
    until(lambda: not world.api.items(world.path(PODS)), PATIENCE, "that the pods are gone")
    for nonce, target in (("back", 2), ("ahead", 9), ("back-again", 3)):
        world.apply(**suspended, replay={"nonce": nonce, "partitions": {topic: {"0": target}}})
        until(lambda: world.trigger()["status"].get("replay", {}).get("handledNonce") == nonce, PATIENCE, nonce)  # noqa: B023
        group = f"test.{world.namespace}.rul"
        assert {number: mark[0] for number, mark in marks(world, topic).items()} == {"0": target, "1": 7}
        assert topics.committed(group, topic) == {0: target}
        assert world.trigger()["status"]["partitionTimestamps"] == {topic: {"1": TIME}}
