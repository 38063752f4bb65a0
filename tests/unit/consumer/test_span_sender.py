"""Spans are handed over, or dropped and counted; nothing waits for whoever exports them."""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from kafkatrigger.consumer import span_sender
from kafkatrigger.consumer.span_sender import SpanSender
from kafkatrigger.consumer.spans import LONGEST_MESSAGE, LONGEST_NAME, LONGEST_STATE, SPANS_IN_PACKET, Exporter, Span
from tests.support.collector import Collector
from tests.support.waiting import until

NOBODY = Exporter("http://127.0.0.1:9", "plant-7/rul", "plant-7.rul")


def span(offset: int = 0, **more: object) -> Span:
    ids = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331", b""
    said = ("t", 0, offset, 1, False, *ids, 1, more.pop("state", b""), False, 1000, 2000, "succeeded")
    return Span(*said, **more)  # type: ignore[arg-type]


def looked(sender: SpanSender) -> SpanSender:
    sender.look()
    return sender


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> Iterator[SpanSender]:
    """Its process does nothing at all."""
    monkeypatch.setattr(span_sender, "COMMAND", (sys.executable, "-c", "import time; time.sleep(1000)"))
    monkeypatch.setattr(span_sender, "LAST_EXPORT", 0.1)
    sender = SpanSender(NOBODY)
    yield sender
    sender.close()


def test_what_finds_no_room_is_dropped_at_once_and_counted(deaf: SpanSender, caplog: pytest.LogCaptureFixture) -> None:
    begun = time.monotonic()
    for _ in range(2000):
        deaf.send([span(offset) for offset in range(100)])
    assert time.monotonic() - begun < 20
    assert 100_000 < deaf.dropped < 200_000
    deaf.look()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "lower spec.tracing.samplingRatio" in caplog.text


def test_the_largest_spans_fit_into_a_packet() -> None:
    large = span(
        state=b"x" * LONGEST_STATE,
        error_class="\U0001f600" * LONGEST_NAME,
        error_message="\U0001f600" * LONGEST_MESSAGE,
    )
    large.topic, large.result = "t" * 249, "\U0001f600" * LONGEST_NAME
    with Collector() as collector:
        sender = SpanSender(Exporter(collector.endpoint, "plant-7/rul", "plant-7.rul"))
        sender.send([large] * SPANS_IN_PACKET)
        collector.wait(SPANS_IN_PACKET)
        sender.close()
    assert sender.dropped == 0


def test_the_last_spans_are_exported_at_the_end() -> None:
    with Collector() as collector:
        sender = SpanSender(Exporter(collector.endpoint, "plant-7/rul", "plant-7.rul"))
        sender.send([span(1)])
        collector.wait(1)  # it has started
        sender.send([span(2)])
        sender.close()
        assert [each.place[0] for each in collector.wait(2, 0)] == [1, 2]


def test_spans_of_a_process_that_ended_are_dropped_and_another_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_sender, "RESTART_INTERVAL", 0.0)
    with Collector() as collector:
        sender = SpanSender(Exporter(collector.endpoint, "plant-7/rul", "plant-7.rul"))
        sender.send([span(1)])
        collector.wait(1)
        until(lambda: looked(sender)._report.done == 1, 10, "its report")
        assert sender._process is not None
        os.kill(sender._process.pid, signal.SIGSTOP)
        sender.send([span(2)])
        os.kill(sender._process.pid, signal.SIGKILL)
        sender._process.wait()
        sender.look()
        assert sender.dropped == 1
        sender.send([span(3)])
        assert [each.place[0] for each in collector.wait(2)] == [1, 3]
        sender.close()


def test_a_collector_that_takes_nothing_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    with Collector() as collector:
        collector.respond = lambda: 404
        sender = SpanSender(Exporter(collector.endpoint, "plant-7/rul", "plant-7.rul"))
        for number in (1, 2):
            sender.send([span(number)])
            until(lambda count=number: looked(sender).dropped == count, 20, "its report")  # type: ignore[misc]
        sender.close()
    assert caplog.text.count("spans are dropped") == 1
    assert "the collector did not take them" in caplog.text
    assert "404" in caplog.text


def test_a_process_that_cannot_be_started_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_sender, "COMMAND", ("/nonexistent",))
    monkeypatch.setattr(span_sender, "RESTART_INTERVAL", 0.0)
    sender = SpanSender(NOBODY)
    sender.send([span()])
    sender.look()
    sender.close()
    assert sender.dropped == 1


def test_nobody_there_fails_nothing() -> None:
    sender = SpanSender(NOBODY)
    sender._channel.shutdown(socket.SHUT_RDWR)
    sender.send([span()])
    sender.look()
    sender.close()
    sender.send([span()])
    assert sender.dropped == 2
