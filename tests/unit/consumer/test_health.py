"""What a pod says of itself, and what of it is news for the log."""

import logging

import pytest

from kafkatrigger.api.pod_status import CONSUMING, FAILURE_RATE_HIGH, STALLED, PodStatus
from kafkatrigger.consumer.health import SILENCE_LIMIT, TICK_LIMIT, Health


def status(reason: str, message: str) -> PodStatus:
    return PodStatus("plant-7/rul", reason == CONSUMING, reason, message, "group")


def test_a_new_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    health = Health("plant-7/rul", "group")
    for message in ("consuming 1 partitions", "consuming 2 partitions"):
        health.publish(status(CONSUMING, message))
    health.publish(status(FAILURE_RATE_HIGH, "too much fails"))
    assert [line.getMessage() for line in caplog.records] == [
        "Consuming: consuming 1 partitions",
        "FailureRateHigh: too much fails",
    ]
    assert [vars(line)["ready"] for line in caplog.records] == [True, False]


def test_of_a_loop_that_hangs_nothing_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("kafkatrigger.consumer.health.time.monotonic", lambda: now)
    health = Health("plant-7/rul", "group")
    health.tick()
    health.publish(status(CONSUMING, "consuming 1 partitions"))
    assert health.status.ready
    now += SILENCE_LIMIT
    said = health.status
    assert (said.ready, said.reason, health.alive) == (False, STALLED, True)
    now += TICK_LIMIT
    assert not health.alive
    health.tick()
    assert (health.status.ready, health.alive) == (True, True)
