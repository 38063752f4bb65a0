"""Which stop holds for the pods of a trigger, and who has to be told."""

from typing import Any

import pytest

from kafkatrigger.api.stop import StopPoint
from kafkatrigger.controller.observation import Workload
from kafkatrigger.controller.pods import Pod
from kafkatrigger.controller.reports import Held, Report
from kafkatrigger.controller.stops import standing, untold
from tests.unit.controller.helpers import make_pod, make_workload

POINT = StopPoint("machine-data", 3, 1234, 1715764260123, "ValueError")
OTHER = StopPoint("machine-data", 5, 7, 1715764260999, "KeyError")


def report(*partitions: int, stopped: StopPoint | None = None) -> Report:
    held = frozenset(Held("machine-data", number) for number in partitions)
    text = stopped.text() if stopped else ""
    return Report(not stopped, "StoppedOnFailure" if stopped else "Consuming", "", held, stopped=text)


def told(name: str, point: StopPoint = POINT, **changes: Any) -> Pod:
    return make_pod(name, stopped=point.text(), **changes)


def stop(workload: Workload, **reports: Report | None) -> StopPoint | None:
    return standing(workload, {f"uid-{name}": each for name, each in reports.items()})


A, B = make_pod("a"), make_pod("b")


def test_nothing_stops_without_a_word() -> None:
    assert stop(make_workload(A, B), a=report(3), b=None) is None


def test_one_pod_stops_all() -> None:
    workload = make_workload(A, B)
    found = stop(workload, a=report(3, stopped=POINT), b=report(4))
    assert found == POINT
    assert untold(workload, found) == [(A, POINT.text()), (B, POINT.text())]


def test_who_was_told_is_not_told_again() -> None:
    assert untold(make_workload(told("a"), told("b")), POINT) == []


@pytest.mark.parametrize("partitions", [(), (4,)])
def test_it_outlives_the_pod_that_reported_it(partitions: tuple[int, ...]) -> None:
    """Until somebody holds the partition again nobody knows more than that it was stopped."""
    workload = make_workload(told("b"), make_pod("c"))
    found = stop(workload, b=report(*partitions), c=None)
    assert found == POINT
    assert [pod.name for pod, _ in untold(workload, found)] == ["c"]


def test_the_owner_of_the_partition_ends_it() -> None:
    workload = make_workload(told("a"), told("b"))
    assert stop(workload, a=report(3), b=report(4)) is None
    assert [text for _, text in untold(workload, None)] == ["", ""]


def test_an_old_word_of_a_former_owner_does_not_end_it() -> None:
    assert stop(make_workload(told("a"), told("b")), a=report(3, stopped=POINT), b=report(3)) == POINT


def test_two_stops_end_one_after_another() -> None:
    workload = make_workload(told("a"), told("b"))
    assert stop(workload, a=report(3, stopped=POINT), b=report(5, stopped=OTHER)) == POINT
    assert stop(workload, a=report(3), b=report(5, stopped=OTHER)) == OTHER
    assert stop(make_workload(told("a", OTHER), told("b", OTHER)), a=report(3), b=report(5)) is None


def test_the_one_that_is_known_stays_when_another_comes() -> None:
    workload = make_workload(told("a", OTHER), told("b", OTHER))
    assert stop(workload, a=report(3, stopped=POINT), b=report(5, stopped=OTHER)) == OTHER


def test_the_same_message_may_stop_again() -> None:
    again = POINT._replace(stopped_at=POINT.stopped_at + 5000)
    workload = make_workload(told("a"), told("b"))
    found = stop(workload, a=report(3, stopped=again))
    assert found == again
    assert [text for _, text in untold(workload, found)] == [again.text()] * 2


def test_a_changed_spec_is_a_new_start() -> None:
    workload = make_workload(told("a", revision="before"), make_pod("b"))
    found = stop(workload, a=report(3, stopped=POINT), b=report())
    assert found is None
    assert untold(workload, found) == []


def test_a_rollout_without_a_change_of_the_spec_keeps_it() -> None:
    workload = make_workload(told("a", template="before"), make_pod("b"))
    assert stop(workload, a=report(3, stopped=POINT)) == POINT
    assert stop(workload, b=report()) == POINT


def test_a_pod_that_goes_is_not_told() -> None:
    assert untold(make_workload(make_pod("a", deleting=True), B), POINT) == [(B, POINT.text())]


@pytest.mark.parametrize("text", ["yes", "a/b/c/d e"])
def test_what_is_no_stop_is_taken_away(text: str) -> None:
    workload = make_workload(make_pod("a", stopped=text))
    assert stop(workload, a=report(3)) is None
    assert [wanted for _, wanted in untold(workload, None)] == [""]
