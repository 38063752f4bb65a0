"""A stop that one pod reports reaches the others by an annotation, which replaces no pod, and ends when its cause does."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from kafkatrigger.api.pod_status import CONSUMING, STOPPED_ON_FAILURE, PartitionStatus, PodStatus
from kafkatrigger.api.stop import StopPoint
from tests.integration.controller.speaking_pod import pod_that_says
from tests.integration.controller.world import PATIENCE, World
from tests.support.kubernetes import DEPLOYMENTS, PODS, Body
from tests.support.waiting import until

STOPPED = "kafkatrigger.dev/stopped"
POINT = StopPoint("machine-data", 0, 1234, 1715764260123, "ValueError")


@dataclass
class Speaker:
    """A pod of the trigger, and what it says."""

    pod: Body
    address: str
    status: PodStatus

    @property
    def name(self) -> str:
        text: str = self.pod["metadata"]["name"]
        return text


@pytest.fixture
def speakers(world: World) -> Iterator[list[Speaker]]:
    """Two pods that consume, each one partition."""
    world.apply(scaling={"replicas": 2})
    with ExitStack() as stack:
        yield [_speaker(world, pod, number, stack) for number, pod in enumerate(world.pods(2))]


def _speaker(world: World, pod: Body, number: int, stack: ExitStack) -> Speaker:
    held = [PartitionStatus("machine-data", number, 5, 5, 0, "Committed")]
    status = PodStatus("n/rul", True, CONSUMING, "consuming", "group", held)
    speaker = Speaker(pod, stack.enter_context(pod_that_says(status)).address, status)
    world.set_pod(pod, ready=True, ip=speaker.address)
    return speaker


def stop(world: World, speaker: Speaker, point: StopPoint | None) -> None:
    """The pod stops for a message, or for what it was told."""
    speaker.status.ready, speaker.status.reason = False, STOPPED_ON_FAILURE
    speaker.status.stopped = point.text() if point else ""
    world.set_pod(speaker.pod, ready=False, ip=speaker.address)


def resume(world: World, speaker: Speaker) -> None:
    speaker.status.ready, speaker.status.reason, speaker.status.stopped = True, CONSUMING, ""
    world.set_pod(speaker.pod, ready=True, ip=speaker.address)


def annotations(world: World) -> dict[str, str | None]:
    """What each pod was told."""
    pods = world.api.items(world.path(PODS))
    return {pod["metadata"]["name"]: pod["metadata"]["annotations"].get(STOPPED) for pod in pods}


def wait_told(world: World, *texts: str | None) -> None:
    until(
        lambda: sorted(annotations(world).values(), key=str) == sorted(texts, key=str),
        PATIENCE,
        f"{texts}: {annotations(world)}",
    )


def generation(world: World) -> int:
    number: int = world.child(DEPLOYMENTS)["metadata"]["generation"]
    return number


def test_from_a_stop_to_the_resume(world: World, speakers: list[Speaker]) -> None:
    first, second = speakers
    before, pods = generation(world), set(annotations(world))
    stop(world, first, POINT)
    wait_told(world, POINT.text(), POINT.text())
    message = world.wait_condition("Consuming", "False", "StoppedOnFailure")["message"]
    assert "offset 1234 of partition 0 of machine-data" in message
    assert "ValueError" in message
    stop(world, second, None)
    resume(world, first)
    wait_told(world, None, None)
    resume(world, second)
    world.wait_condition("Consuming", "True", "Consuming")
    assert (generation(world), set(annotations(world))) == (before, pods)


def test_a_stop_outlives_the_pod_that_found_it(world: World, speakers: list[Speaker]) -> None:
    first, second = speakers
    stop(world, first, POINT)
    wait_told(world, POINT.text(), POINT.text())
    stop(world, second, None)
    world.api.call("DELETE", world.path(PODS, first.name), {"gracePeriodSeconds": 0})
    until(lambda: first.name not in annotations(world) and len(annotations(world)) == 2, PATIENCE, "the new pod")
    wait_told(world, POINT.text(), POINT.text())
    world.wait_condition("Consuming", "False", "StoppedOnFailure")


def test_a_changed_spec_ends_it(world: World, speakers: list[Speaker]) -> None:
    old = set(annotations(world))
    stop(world, speakers[0], POINT)
    wait_told(world, POINT.text(), POINT.text())
    world.apply(scaling={"replicas": 2}, transformation={"function": "package.module:mended"})
    until(lambda: set(annotations(world)) - old, PATIENCE, "a new pod")
    world.wait_condition("Deployed", "False", "Progressing")
    world.wait_condition("Consuming", "False", "PodsNotReady")
    told = annotations(world)
    assert {told[name] for name in set(told) - old} == {None}


def test_how_many_pods_there_are_does_not_end_it(world: World, speakers: list[Speaker]) -> None:
    stop(world, speakers[0], POINT)
    wait_told(world, POINT.text(), POINT.text())
    world.apply(scaling={"replicas": 3})
    wait_told(world, POINT.text(), POINT.text(), POINT.text())
