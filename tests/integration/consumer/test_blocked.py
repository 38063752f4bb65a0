"""`onFailure: Block` and `Stop`: what fails for good waits for a decision, visibly, and nothing else does."""

from pathlib import Path
from typing import Any

import pytest

from kafkatrigger.api import pod_status
from kafkatrigger.api.control import Action, Resume
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, by_key, committed_up_to, numbered, numbers, spec, wait_committed
from tests.support import runs
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until

BEHIND = 500
"""Messages behind the one that blocks its key."""


def _blocking(broker: HostBroker, source: str, **more: Any) -> dict[str, Any]:
    delivery = {"onFailure": "Block", **more.pop("delivery", {})}
    return spec(broker, source, source={"groupId": f"g.{source}"}, delivery=delivery, **more)


def _key_that_blocks(file: Path, log: Path) -> list[tuple[bytes, bytes]]:
    first = (b"blocked", action("fail-while", n=-1, file=str(file), log=str(log)))
    return [first, *((b"blocked", action("echo", n=n)) for n in range(1000, 1000 + BEHIND))]


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
@pytest.mark.parametrize(("decision", "rest"), [("retry", [-1]), ("skip", []), ("dead-letter", [])])
def test_a_blocked_key_waits_in_the_log_over_a_restart_until_somebody_decides(
    broker: HostBroker, topics: Topics, tmp_path: Path, decision: Action, rest: list[int], guarantee: str
) -> None:
    file, log = tmp_path / "fails", tmp_path / "log"
    file.touch()
    source = topics.create(1)
    topics.produce(source, [*_key_that_blocks(file, log), *numbered(300)])
    trigger = _blocking(broker, source, delivery={"guarantee": guarantee})
    with Pod(trigger) as pod:
        topics.read(f"{source}.out", 300)
        pod.wait(lambda now: now.blocked_keys == 1 and now.waiting == 0)
        (key,) = pod.blocked()
        assert (key.key, key.offset, key.attempts, key.reason) == (b"blocked", 0, 3, "FunctionFailed")
        assert key.waiting == BEHIND
        assert pod.wait_reason(pod_status.CONSUMING).ready
        pod.stop()
    with Pod(trigger) as pod:
        topics.produce(source, [(b"blocked", action("echo", n=5000)), *numbered(10, start=300)])
        topics.read(f"{source}.out", 310)
        status = pod.wait(lambda now: now.blocked_keys == 1)
        assert status.partitions[0].committed == 0
        assert sorted(numbers(topics.read_all(f"{source}.out"))) == list(range(310)), "the key went on by itself"
        file.unlink()
        (key,) = pod.blocked()
        assert (key.offset, key.attempts) == (0, 3)
        assert pod.resolve(decision, key) == 1
        wait_committed(topics, pod, source, 30)
        pod.wait(lambda now: now.blocked_keys == 0 and now.parked_keys == 0)
        assert pod.resolve(decision, key) == 0
        answers = topics.read_all(f"{source}.out")
        pod.stop()
    assert by_key(answers)[b"blocked"] == [*rest, *range(1000, 1000 + BEHIND), 5000]
    letters = topics.read_all(f"{source}.dlq") if decision == "dead-letter" else []
    said = [dict(letter.headers())["kafkatrigger.attempts"] for letter in letters]
    assert said == ([b"3"] if decision == "dead-letter" else [])
    assert runs.attempts(runs.read(log)) == {-1: [1, 2, 3, *([1] if decision == "retry" else [])]}


def test_without_an_order_a_message_blocks_alone(broker: HostBroker, topics: Topics, tmp_path: Path) -> None:
    file, log = tmp_path / "fails", tmp_path / "log"
    file.touch()
    source = topics.create(1)
    topics.produce(source, _key_that_blocks(file, log))
    with Pod(_blocking(broker, source, delivery={"ordering": "Unordered"})) as pod:
        answers = topics.read(f"{source}.out", BEHIND)
        assert sorted(numbers(answers)) == list(range(1000, 1000 + BEHIND)), "the others of its key go on"
        pod.wait(lambda now: now.blocked_keys == 1)
        (key,) = pod.blocked()
        assert (key.key, key.offset, key.waiting) == (b"blocked", 0, 0)
        file.unlink()
        assert pod.resolve("retry", key) == 1
        wait_committed(topics, pod, source, 30)
        pod.wait(lambda now: now.blocked_keys == 0)
        pod.stop()
    assert numbers(topics.read_all(f"{source}.out"))[BEHIND:] == [-1]


def test_blocked_keys_go_with_their_partition(broker: HostBroker, topics: Topics) -> None:
    """What a pod says of blocked keys, and what keeps it from dispatching, ends when another pod has the partition."""
    source = topics.create(2)
    topics.produce(source, [(b"k%d" % n, action("raise", n=n)) for n in range(20)])
    trigger = _blocking(broker, source)
    with Pod(trigger) as first:
        first.wait(lambda now: now.blocked_keys == 20)
        with Pod(trigger) as second:
            second.wait(lambda now: len(now.partitions) == 1 and now.blocked_keys > 0)
            states = [
                first.wait(lambda now: len(now.partitions) == 1 and now.blocked_keys < 20),
                until(lambda: second.status),
            ]
            assert sum(state.blocked_keys for state in states) == 20
            assert [len(first.blocked()), len(second.blocked())] == [state.blocked_keys for state in states]
            first.stop()
            second.wait(lambda now: now.blocked_keys == 20)
            assert second.resolve("skip", *second.blocked()) == 20
            wait_committed(topics, second, source, 30)
            second.stop()


def test_more_blocked_keys_than_a_commit_can_name_stop_their_partition_alone(
    broker: HostBroker, topics: Topics
) -> None:
    """And when they are decided about, all goes on where it was."""
    source = topics.create(2)
    bad = [(b"b%d" % n, action("raise", n=n)) for n in range(400)]
    topics.produce(source, bad, partition=0)
    topics.produce(source, numbered(200), partition=1)
    unbroken = {"breaker": {"enabled": False}}
    with Pod(_blocking(broker, source, delivery=unbroken)) as pod:
        said = pod.wait(lambda now: now.reason == pod_status.PARTITION_STOPPED)
        assert not said.ready
        assert f"{source}-0 has so many blocked keys" in said.message
        assert f"{source}-1" not in said.message
        topics.produce(source, numbered(200, start=200), partition=0)
        topics.read(f"{source}.out", 200)

        def is_decided() -> bool:
            pod.resolve("skip", *pod.blocked())
            return committed_up_to(topics, pod, source)()

        until(is_decided, 60, "commits to the end")
        pod.wait_outcomes(succeeded=400, skipped=400)
        pod.stop()
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == list(range(200)) + list(range(200, 400))


@pytest.mark.parametrize("ends_by", ["resume", "another spec"])
def test_a_stop_holds_everything_over_a_restart_and_ends_with_that_message_first(
    broker: HostBroker, topics: Topics, tmp_path: Path, ends_by: str
) -> None:
    file, log = tmp_path / "fails", tmp_path / "log"
    file.touch()
    source = topics.create(1)
    topics.produce(source, [(b"k", action("fail-while", n=-1, file=str(file), log=str(log)))])
    name, stops = f"g.{source}", {"onFailure": "Stop"}
    trigger = spec(broker, source, source={"groupId": name}, delivery=stops)
    with Pod(trigger, name="stops") as pod:
        status = pod.wait_reason(pod_status.STOPPED_ON_FAILURE)
        assert f"{source}, partition 0, offset 0" in status.message
        assert not status.ready
        topics.produce(source, [(b"k%d" % (n % 7), action("echo", n=n, log=str(log))) for n in range(100)])
        pod.stop()
    with Pod(trigger, name="stops") as pod:
        pod.wait_reason(pod_status.STOPPED_ON_FAILURE)
        file.unlink()
        assert [run.number for run in runs.read(log)] == [-1, -1, -1], "something ran in spite of the stop"
        if ends_by == "resume":
            assert pod.ask(Resume()).count == 1
            wait_committed(topics, pod, source, 30)
            pod.wait_reason(pod_status.CONSUMING)
        pod.stop()
    if ends_by == "another spec":
        with Pod(
            spec(broker, source, source={"groupId": name}, delivery={**stops, "timeout": "29s"}), name="stops"
        ) as pod:
            wait_committed(topics, pod, source, 30)
            pod.wait_reason(pod_status.CONSUMING)
            pod.stop()
    found = runs.read(log)
    assert [(run.number, run.attempt) for run in found[3:4]] == [(-1, 1)], "another message came first"
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == list(range(-1, 100))
