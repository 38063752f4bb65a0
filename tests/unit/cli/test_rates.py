"""Rates from two looks at what a pod counts."""

from typing import Any

import pytest

from kafkatrigger.api.pod_status import PartitionStatus, PodStatus
from kafkatrigger.cli.looks import REMEMBERED, Memory
from kafkatrigger.cli.rates import UNKNOWN, Rates, of_partition, of_pod, of_pods


def partition(end: int | None, processed: int | None, number: int = 0, epoch: int = 1) -> PartitionStatus:
    return PartitionStatus("orders", number, 0, 0, 0, "Committed", end=end, processed=processed, epoch=epoch)


def pod(clock: float, *partitions: PartitionStatus, **more: Any) -> PodStatus:
    return PodStatus("plant-7/rul", True, "Consuming", "", "g", list(partitions), clock=clock, **more)


BEFORE = pod(10.0, partition(100, 50), outcomes={"succeeded": 50}, attempts={"succeeded": 50, "Timeout": 2})
NOW = pod(
    14.0,
    partition(180, 70),
    outcomes={"succeeded": 69, "dead_lettered": 1},
    attempts={"succeeded": 69, "Timeout": 4, "FunctionFailed": 6},
)


def test_counts_by_the_seconds_of_the_pods_clock() -> None:
    assert of_pod(BEFORE, NOW) == Rates(20.0, 5.0, 2.0)
    assert of_partition(BEFORE, NOW, NOW.partitions[0]) == Rates(20.0, 5.0)


def test_nothing_is_known_at_a_first_look() -> None:
    assert of_pod(None, NOW) == of_partition(None, NOW, NOW.partitions[0]) == of_pods({}, {}) == UNKNOWN


@pytest.mark.parametrize(
    "now",
    [pod(10.0, outcomes={"succeeded": 60}), pod(14.0, outcomes={"succeeded": 1}), pod(0.0, outcomes={"succeeded": 60})],
    ids=["nothing new was said", "the process began anew", "the pod tells no time"],
)
def test_what_cannot_be_compared_is_not_known(now: PodStatus) -> None:
    assert of_pod(BEFORE, now).done is None


@pytest.mark.parametrize("now", [partition(900, 800, epoch=2), partition(900, 800, number=1), partition(None, None)])
def test_a_partition_is_compared_with_the_same_assignment(now: PartitionStatus) -> None:
    assert of_partition(BEFORE, pod(14.0, now), now) == UNKNOWN


def test_pods_add_up_as_far_as_they_are_known() -> None:
    seen = {"a": NOW, "b": NOW, "new": NOW}
    assert of_pods({"a": BEFORE, "b": BEFORE, "gone": BEFORE}, seen) == Rates(40.0, 10.0, 4.0)


def test_the_looks_of_the_last_seconds_are_remembered() -> None:
    memory = Memory()
    earliest = [memory.before({"a": pod(float(second))}) for second in range(REMEMBERED + 3)]
    assert [seen["a"].clock for seen in earliest[1:]] == [*([0.0] * REMEMBERED), 1.0, 2.0]
    assert earliest[0] == {}
