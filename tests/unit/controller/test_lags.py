"""What waits for triggers none of whose pods can say: who is asked, and what is news."""

from typing import Any

import pytest

from kafkatrigger.controller import lags
from kafkatrigger.controller.lags import PAUSE, STEADY, UNKNOWN_PAUSE, are_silent, judge, question
from kafkatrigger.controller.reports import Report
from kafkatrigger.kafka.group_lag import Lag
from tests.unit.controller.helpers import KEY, accepted, make_pod, make_workload

WELL = Report(True, "Consuming", "")


@pytest.mark.parametrize(
    ("before", "found", "believed"),
    [
        (None, Lag(5), 5),
        (None, Lag(None, "away"), None),
        (Lag(None, "away"), Lag(5), 5),
        (Lag(5, asked=0), Lag(6, asked=STEADY - 1), 5),
        (Lag(5, asked=0), Lag(6, asked=STEADY + 1), 6),
        (Lag(0, asked=0), Lag(1, asked=1), 1),
        (Lag(1, asked=0), Lag(0, asked=1), 0),
        (Lag(5, asked=0), Lag(None, "away", asked=STEADY * 9), 5),
    ],
)
def test_a_number_stands_for_a_while_unless_it_decides_about_ready(
    before: Lag | None, found: Lag, believed: int | None
) -> None:
    assert judge(before, found, 1)[0].messages == believed


def test_a_number_that_did_not_change_keeps_nothing_waiting() -> None:
    same, _ = judge(Lag(5, asked=0), Lag(5, asked=STEADY), 1)
    assert judge(same, Lag(6, asked=STEADY + 1), 1)[0].messages == 6


def test_why_nothing_is_known_is_news() -> None:
    assert judge(Lag(None, "away"), Lag(None, "no right"), 1)[0].problem == "no right"


def test_many_triggers_are_asked_and_written_less_often() -> None:
    assert 0.8 * PAUSE <= judge(None, Lag(5), 1)[1] <= 1.2 * PAUSE
    assert 0.8 * UNKNOWN_PAUSE <= judge(Lag(5), Lag(None, "away"), 1)[1] <= 1.2 * UNKNOWN_PAUSE
    many = 10_000
    assert judge(None, Lag(5), many)[1] >= 0.8 * many / lags.RATE
    assert judge(Lag(5, asked=0), Lag(6, asked=STEADY + 1), many)[0].messages == 5


@pytest.mark.parametrize(
    ("pods", "answers", "silent"),
    [
        ([], {}, True),
        ([make_pod()], {}, False),
        ([make_pod()], {"uid-p1": WELL}, False),
        ([make_pod()], {"uid-p1": None}, True),
        ([make_pod(ip="")], {}, True),
        ([make_pod(deleting=True)], {"uid-p1": WELL}, True),
        ([make_pod(), make_pod("p2")], {"uid-p1": None, "uid-p2": WELL}, False),
        ([make_pod(), make_pod("p2")], {"uid-p1": None}, False),
    ],
)
def test_silent_are_those_that_were_asked_or_cannot_be(pods: list[Any], answers: dict[str, Any], silent: bool) -> None:
    assert are_silent(make_workload(*pods), answers) == silent
    assert are_silent(None, {})


def test_equal_triggers_ask_the_same() -> None:
    source = {"topics": ["t"], "initialOffsetResetPolicy": "latest", "partitionTimestamps": {"t": {"1": 5, "0": 7}}}
    other = {**source, "partitionTimestamps": {"t": {"0": 7, "1": 5}}}
    assert {question(KEY, accepted({"source": each})) for each in (source, other)} == {
        question(KEY, accepted({"source": source}))
    }
    assert question(KEY, accepted({})) != question(KEY, accepted({"source": source}))
