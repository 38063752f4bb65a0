"""How often pods are asked."""

import pytest

from kafkatrigger.controller.pod_reader import judge_leaving, judge_ready, judge_waiting
from kafkatrigger.controller.reports import Report

BEFORE, FOUND = Report(True, "Consuming", "before"), Report(True, "Consuming", "found")


@pytest.mark.parametrize(("pods", "seconds"), [(1, 60), (3000, 60), (5000, 100), (50_000, 1000)])
def test_ready_pods_are_asked_a_bounded_number_of_times(pods: int, seconds: int) -> None:
    _, pause = judge_ready(None, FOUND, pods)
    assert 0.8 * seconds <= pause <= 1.2 * seconds


def test_what_a_ready_pod_said_stands_while_it_cannot_be_read() -> None:
    assert judge_ready(BEFORE, None, 1)[0] == BEFORE
    assert judge_ready(BEFORE, FOUND, 1)[0] == FOUND
    assert judge_ready(None, None, 1)[0] is None


def test_a_pod_that_is_not_ready_says_why_itself() -> None:
    assert judge_waiting(BEFORE, None) == (None, 5.0)


@pytest.mark.parametrize(("pods", "seconds"), [(1, 1), (50, 1), (5000, 100)])
def test_what_a_leaving_pod_said_last_counts(pods: int, seconds: int) -> None:
    known, pause = judge_leaving(BEFORE, None, pods)
    assert known == BEFORE
    assert 0.8 * seconds <= pause <= 1.2 * seconds
    assert judge_leaving(BEFORE, FOUND, pods)[0] == FOUND
