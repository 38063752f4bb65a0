"""Producer and watcher against a broker; the function stands between them as the trigger would put it."""

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Message, Producer

from examples.rul import produce, rul, watch
from kafkatrigger import Message as Request


@pytest.fixture
def brokers() -> Iterator[str]:
    """Address of librdkafka's mock broker."""
    owner = Producer({"bootstrap.servers": "replaced", "test.mock.num.brokers": 1, "log_level": 0})
    yield ",".join(f"{broker.host}:{broker.port}" for broker in owner.list_topics(timeout=10).brokers.values())
    owner.flush(1)


def read(brokers: str, topic: str, count: int) -> list[Message]:
    messages = list(islice(watch.records(brokers, topic, time.monotonic() + 20), count))
    assert len(messages) == count
    return messages


def respond(brokers: str, count: int, times: int = 1) -> None:
    """Answer each message `times` times, key and headers copied."""
    producer = Producer({"bootstrap.servers": brokers})
    for message in read(brokers, "machine-data", count):
        response = orjson.dumps(rul.predict(Request(orjson.loads(message.value() or b""))))
        for _ in range(times):
            producer.produce("rul-results", response, message.key(), headers=message.headers())
    assert producer.flush(10) == 0


def test_produces_and_watches(brokers: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.time()
    assert produce.main(["--brokers", brokers, "--count", "12", "--create-topics"]) == 0
    assert "12 messages written to machine-data" in capsys.readouterr().out
    respond(brokers, 12, times=2)

    summary_file, last_file = tmp_path / "summary.json", tmp_path / "last.json"
    written = ["--summary", str(summary_file), "--last", str(last_file)]
    assert watch.main(["--brokers", brokers, "--count", "12", "--timeout", "20", *written]) == 0
    assert json.loads(last_file.read_text())["rul_regression_result_plot"]["data"]

    heading, *lines, last = capsys.readouterr().out.splitlines()
    assert heading == watch.HEADING
    assert len(lines) == 12
    assert "mauna-loa-1960s  1958-03-29 .. 1968-03-23     +0.693  1975-02-28  1972-03-25     +1070" in lines
    assert last == "forecast and reality are 666 days apart on average"
    summary = json.loads(summary_file.read_text())
    assert (summary["expected"], summary["responses"]) == (12, 12)
    assert summary["mean_absolute_error_days"] == pytest.approx(7990 / 12)
    assert (
        started - 1 < summary["first_response_time"] <= summary["last_response_time"] <= summary["first_seen_time"] + 1
    )
    assert 10_000 < summary["max_response_bytes"] < 20_000


def test_bad_messages_come_along_on_demand(brokers: str) -> None:
    assert produce.main(["--brokers", brokers, "--count", "1", "--bad"]) == 0
    values = {message.value() for message in read(brokers, "machine-data", 4)}
    assert values >= set(produce.BAD_VALUES)


def test_the_watcher_fails_when_responses_are_missing(brokers: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert produce.main(["--brokers", brokers, "--count", "2"]) == 0
    respond(brokers, 2)
    assert watch.main(["--brokers", brokers, "--count", "3", "--timeout", "2"]) == 1
    assert "only 2 of 3 came in 2 s" in capsys.readouterr().err


def test_the_watcher_leaves_out_an_earlier_run(brokers: str) -> None:
    assert produce.main(["--brokers", brokers, "--count", "2"]) == 0
    respond(brokers, 2)
    assert watch.main(["--brokers", brokers, "--timeout", "1", "--count", "1", "--since", str(time.time() + 1)]) == 1


def test_the_watcher_waits_for_a_topic_without_creating_it(brokers: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch.main(["--brokers", brokers, "--topic", "later", "--timeout", "1", "--count", "1"]) == 1
    assert "waiting for topic later" in capsys.readouterr().out
    topics = Producer({"bootstrap.servers": brokers}).list_topics(timeout=10).topics
    assert "later" not in topics


def test_the_producer_says_when_no_broker_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(produce, "ADMIN_SECONDS", 1)
    assert produce.main(["--brokers", "127.0.0.1:1", "--create-topics"]) == 1
    assert "topic machine-data was not created" in capsys.readouterr().err
