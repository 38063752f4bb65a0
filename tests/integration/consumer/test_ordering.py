"""What keeps its order, and what runs side by side."""

from pathlib import Path

import orjson
import pytest

from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, by_key, spec, wait_committed
from tests.support import runs
from tests.support.pipeline import Pod
from tests.support.topics import Topics

COUNT = 600
KEYS = 12


def _messages(log: Path, do: str = "echo") -> list[tuple[bytes, bytes]]:
    """Some of which fail at first."""
    return [
        (
            b"k%d" % (n % KEYS),
            action("fail-until", n=n, attempt=2, log=str(log))
            if n % 25 == 3
            else action(do, n=n, seconds=0.01, log=str(log)),
        )
        for n in range(COUNT)
    ]


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
@pytest.mark.parametrize("function", ["tell", "tell_async", "tell_batch"])
def test_messages_of_a_key_run_one_after_the_other(
    broker: HostBroker, topics: Topics, tmp_path: Path, function: str, guarantee: str
) -> None:
    log = tmp_path / "log"
    source = topics.create(2)
    topics.produce(source, _messages(log, "wait" if function == "tell_async" else "echo"))
    trigger = spec(broker, source, f"functions:{function}", delivery={"guarantee": guarantee}, runtime={"workers": 2})
    with Pod(trigger) as pod:
        wait_committed(topics, pod, source, 60)
        answers = topics.read_all(f"{source}.out")
        pod.stop()
    assert by_key(answers) == {b"k%d" % key: list(range(key, COUNT, KEYS)) for key in range(KEYS)}
    found = runs.read(log)
    assert runs.overlaps(found, {n: n % KEYS for n in range(COUNT)}) == []
    assert (runs.most_at_once(found) >= KEYS / 2) == (function == "tell_async")


def test_messages_of_a_partition_run_one_after_the_other(broker: HostBroker, topics: Topics, tmp_path: Path) -> None:
    log = tmp_path / "log"
    source = topics.create(2)
    topics.produce(source, _messages(log, "wait"))
    trigger = spec(
        broker,
        source,
        "functions:tell_async",
        delivery={"ordering": "Partition"},
        response={"headers": "All"},
        runtime={"workers": 2},
    )
    with Pod(trigger) as pod:
        wait_committed(topics, pod, source, 90)
        answers = topics.read_all(f"{source}.out")
        pod.stop()
    found = runs.read(log)
    assert runs.overlaps(found, {run.number: run.place[1] for run in found}) == []
    for partition in range(2):
        places = [run.place[2] for run in found if run.place[1] == partition]
        assert places == sorted(places)
    assert len(answers) == COUNT


def test_without_order_only_what_may_be_in_flight_limits_what_runs_at_once(
    broker: HostBroker, topics: Topics, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    source = topics.create(1)
    topics.produce(source, [(b"same", action("wait", n=n, seconds=0.1, log=str(log))) for n in range(600)])
    unordered = {"ordering": "Unordered", "maxInFlight": 100}
    with Pod(spec(broker, source, "functions:tell_async", delivery=unordered, runtime={"workers": 1})) as pod:
        wait_committed(topics, pod, source, 60)
        answers = topics.read_all(f"{source}.out")
        pod.stop()
    assert 20 < runs.most_at_once(runs.read(log)) <= 100
    assert sorted(orjson.loads(answer.value())["n"] for answer in answers) == list(range(600))
