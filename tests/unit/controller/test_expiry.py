"""When the offsets of a group that nobody uses are about to expire."""

from typing import Any

import pytest

from kafkatrigger.controller.expiry import DEFAULT_RETENTION, KNOWN_PAUSE, UNKNOWN_PAUSE, expiring, judge
from kafkatrigger.controller.observation import Observation
from kafkatrigger.controller.reports import Held, Report
from kafkatrigger.controller.status import status
from tests.unit.controller.helpers import make_observation, make_pod, make_workload

DAY = 24 * 3600.0
SINCE = "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("now", "retention", "until"),
    [
        ("2026-03-01T00:00:00Z", 7 * DAY, None),
        ("2026-03-06T05:59:00Z", 7 * DAY, None),
        ("2026-03-06T06:01:00Z", 7 * DAY, "until 2026-03-08T00:00:00Z"),
        ("2026-03-08T00:01:00Z", 7 * DAY, "since 2026-03-08T00:00:00Z"),
        ("2026-03-01T00:00:00Z", DAY, None),
        ("2026-03-01T18:01:00Z", DAY, "until 2026-03-02T00:00:00Z"),
        ("2026-03-01T00:00:00Z", DAY / 2, "until 2026-03-01T12:00:00Z"),
        ("2026-03-20T00:00:00Z", 30 * DAY, None),
    ],
)
def test_the_last_quarter_or_at_once(now: str, retention: float, until: str | None) -> None:
    found = expiring(SINCE, retention, now, "set spec.suspend to false")
    assert (found is None) == (until is None)
    if found and until:
        assert (found.status, found.reason) == ("True", "OffsetsExpiring")
        for words in (until, "set spec.suspend to false", f"offsets.retention.minutes is {retention / 60:.0f}", SINCE):
            assert words in found.message


@pytest.mark.parametrize(
    ("before", "found", "known", "pause"),
    [
        (None, None, DEFAULT_RETENTION, UNKNOWN_PAUSE),
        (DAY, None, DAY, UNKNOWN_PAUSE),
        (DAY, 2 * DAY, 2 * DAY, KNOWN_PAUSE),
    ],
)
def test_the_default_is_assumed_until_brokers_say(
    before: float | None, found: float | None, known: float, pause: float
) -> None:
    assert judge(before, found) == (known, pause)


WELL = Report(True, "Consuming", "", frozenset({Held("machine-data", 0)}))
WARNED = Report(True, "Consuming", "", frozenset({Held("machine-data", 0)}), retention_warning="soon")
LATE = "2026-03-07T00:00:00Z"


def idle(**changes: Any) -> Observation:
    fields = {"workload": make_workload(), "desired": 0, "has_checkpoint": True, "retention": 7 * DAY, **changes}
    return make_observation(**fields)


def running(said: Report = WELL) -> Observation:
    return make_observation(make_pod(), answers={"uid-p1": said}, has_checkpoint=True)


def warning(before: dict[str, Any], observation: Observation, now: str = LATE) -> str:
    found: dict[str, str] = {each["type"]: each["reason"] for each in status(observation, before, now)["conditions"]}
    return found.get("Warning", "")


STOPPED = status(idle(), status(running(), {}, SINCE), SINCE)


def test_a_suspended_trigger_is_warned_of() -> None:
    assert warning(STOPPED, idle(suspended=True)) == "OffsetsExpiring"
    assert warning(STOPPED, idle(suspended=True), SINCE) == ""


def test_one_that_is_scaled_to_zero_is_told_to_scale() -> None:
    found = status(idle(), STOPPED, LATE)["conditions"]
    assert "raise scaling.replicas" in next(each["message"] for each in found if each["type"] == "Warning")


def test_it_ends_when_pods_are_wanted_or_the_brokers_keep_them_longer() -> None:
    warned = status(idle(), STOPPED, LATE)
    assert warning(warned, make_observation(workload=make_workload(), has_checkpoint=True)) == ""
    assert warning(warned, idle(retention=30 * DAY)) == ""


def test_it_stands_while_the_brokers_have_not_answered() -> None:
    assert warning(STOPPED, idle(retention=None)) == ""
    assert warning(status(idle(), STOPPED, LATE), idle(retention=None)) == "OffsetsExpiring"


def test_a_group_that_never_had_offsets_loses_none() -> None:
    assert warning(STOPPED, idle(has_checkpoint=False)) == ""


def test_messages_that_are_about_to_go_come_first() -> None:
    before = status(idle(), status(running(WARNED), {}, SINCE), SINCE)
    assert warning(before, idle()) == "RetentionNear"


def test_the_sentence_does_not_change_with_time() -> None:
    warned = status(idle(), STOPPED, LATE)
    assert status(idle(), warned, "2026-03-07T12:00:00Z") == warned
