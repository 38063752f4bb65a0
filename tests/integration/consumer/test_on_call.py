"""What a person on call sees of a pod: lines about messages with their place as fields, and the last failures."""

import json
from pathlib import Path
from typing import Any

import pytest

from kafkatrigger.api import logs
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, spec
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until


def lines(pod: Pod, words: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, pod.logs.splitlines()) if words in line["message"]]


def test_a_failed_message_is_found_in_the_log_and_in_the_status(
    broker: HostBroker, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    level = tmp_path / "level"
    monkeypatch.setenv(logs.FORMAT_VARIABLE, "json")
    monkeypatch.setenv(logs.LEVEL_FILE_VARIABLE, str(level))
    source = topics.create(1)
    with Pod(spec(broker, source)) as pod:
        pod.wait_ready()
        topics.produce(source, [(b"k", action("raise", n=0))])
        status = pod.wait(lambda now: now.outcomes.get("dead_lettered"), what="a dead letter")
        (failed,) = status.last_failures
        assert (failed.topic, failed.partition, failed.offset) == (source, 0, 0)
        assert (failed.reason, failed.attempt, failed.final) == ("FunctionFailed", 3, True)
        (of_consumer,) = lines(pod, "failed for good")
        (of_runtime, *_) = lines(pod, "a message failed")
        for line in (of_consumer, of_runtime):
            assert (line["namespace"], line["trigger"]) == ("tests", pod.config.name)
            assert (line["topic"], line["partition"], line["offset"]) == (source, 0, 0)
        assert not lines(pod, "gets a batch")
        level.write_text("debug")
        until(lambda: len(lines(pod, "the log level is DEBUG")) >= 4, 20, "consumer, supervisor and workers at debug")
        topics.produce(source, [(b"k", action("echo", n=1))])
        topics.read(f"{source}.out", 1)
        assert lines(pod, "gets a batch")
        assert pod.wait(lambda now: now.clock > status.clock)
