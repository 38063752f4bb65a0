"""Partitions that change their owner while messages run, wait for a retry, or are blocked."""

import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from kafkatrigger.api.configure import consumer_config
from kafkatrigger.api.pod_status import GROUP_SHARED
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.api.start_policy import StartPolicy
from kafkatrigger.consumer import membership
from kafkatrigger.consumer.source import Source
from kafkatrigger.consumer.start import Policy
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, by_key, numbers, spec, wait_committed
from tests.support import runs, strangers
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until

PROTOCOLS = ["Consumer", "Classic"]


def _shared(
    broker: HostBroker, source: str, protocol: str, /, function: str = "functions:tell", **more: Any
) -> dict[str, Any]:
    group = {"groupId": f"g.{source}", "groupProtocol": protocol}
    return spec(broker, source, function, source=group, runtime={"workers": 1}, **more)


def _assert_lanes_never_overlapped(log: Path, keys: int) -> None:
    found = runs.read(log)
    assert runs.overlaps(found, {run.number: run.number % keys for run in found}) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_a_pod_joins_and_leaves_while_retries_wait(
    broker: HostBroker, topics: Topics, tmp_path: Path, protocol: str, guarantee: str
) -> None:
    """Elsewhere: retry state lost at a rebalance, messages dropped while retrying during one, loss under cooperative
    rebalance, a partition that silently stops after one, consumption from the oldest offset after one.
    """
    log = tmp_path / "log"
    source = topics.create(4)
    topics.create_named(f"{source}.out", 4)
    keys, count = 40, 800
    messages = [
        (b"k%d" % (n % keys), action("fail-until", n=n, attempt=4 if n // keys in (3, 9) else 1, log=str(log)))
        for n in range(count)
    ]
    topics.produce(source, messages)
    retry = {"attempts": 5, "initialDelay": "1s", "factor": 1, "maxDelay": "1s", "jitter": 0}
    trigger = _shared(broker, source, protocol, delivery={"retry": retry, "guarantee": guarantee})
    with Pod(trigger) as first:
        first.wait(lambda now: now.parked_keys == keys)
        with Pod(trigger) as second:
            second.wait(lambda now: len(now.partitions) == 2)
            until(lambda: any(run.attempt == 2 and run.number // keys == 9 for run in runs.read(log)), 60)
            first.stop()
            second.wait(lambda now: len(now.partitions) == 4)
            wait_committed(topics, second, source, 60)
            answers = topics.read_all(f"{source}.out")
            second.stop()
    assert by_key(answers) == {b"k%d" % key: list(range(key, count, keys)) for key in range(keys)}
    attempts = runs.attempts(runs.read(log))
    assert {number for number, each in attempts.items() if each != list(range(1, 1 + _attempts(number, keys)))} == set()
    _assert_lanes_never_overlapped(log, keys)
    assert topics.count(f"{source}.dlq") == 0


def _attempts(number: int, keys: int) -> int:
    return 4 if number // keys in (3, 9) else 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_revocation_ends_what_runs_for_long_and_gives_it_to_the_next_owner(
    broker: HostBroker, topics: Topics, tmp_path: Path, protocol: str
) -> None:
    """It counts no attempt, and at no moment two pods run messages of one key."""
    log = tmp_path / "log"
    source = topics.create(2)
    keys = 10
    messages = [(b"k%d" % key, action("sleep", n=key, seconds=25, log=str(log))) for key in range(2)]
    topics.produce(source, messages[:1], partition=0)
    topics.produce(source, messages[1:], partition=1)
    behind = [(b"k%d" % (n % keys), action("echo", n=n, log=str(log))) for n in range(keys, 200)]
    for partition in range(2):
        topics.produce(source, [each for each in behind if int(each[0][1:]) % 2 == partition], partition=partition)
    trigger = _shared(broker, source, protocol, delivery={"timeout": "60s"})
    with Pod({**trigger, "runtime": {"workers": 2}}) as first:
        until(lambda: runs.read(log), 60, "the long run")
        with Pod(trigger) as second:
            second.wait(lambda now: len(now.partitions) == 1)
            wait_committed(topics, first, source, 120)
            first.stop()
            second.stop()
    found = runs.read(log)
    assert {each for attempts in runs.attempts(found).values() for each in attempts} == {1}
    _assert_lanes_never_overlapped(log, keys)
    # What ran for long in the partition that was given up ran again elsewhere.
    again = {run.number for run in found if run.process != found[0].process and run.number in (0, 1)}
    assert again
    answers = topics.read_all(f"{source}.out")
    assert sorted(numbers(answers)) == [0, 1, *range(keys, 200)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_revocation_waits_for_what_ends_soon(
    broker: HostBroker, topics: Topics, tmp_path: Path, protocol: str
) -> None:
    """No worker is ended for it, and nothing runs twice. Messages of both partitions run at any moment."""
    log = tmp_path / "log"
    source = topics.create(2)
    for partition in range(2):
        numbered = range(partition, 6_000, 2)
        waits = [(b"k%d" % n, action("wait", n=n, seconds=1, log=str(log))) for n in numbered]
        topics.produce(source, waits, partition=partition)
    trigger = _shared(broker, source, protocol, "functions:tell_async", delivery={"maxInFlight": 200})
    with Pod(trigger) as first:
        until(lambda: runs.read(log), 60, "the first runs")
        with Pod(trigger) as second:
            second.wait(lambda now: len(now.partitions) == 1)
            status = first.wait(lambda now: len(now.partitions) == 1)
            first.stop()
            second.stop()
    assert status.worker_restarts == {}, "what ran was not finished, but ended"
    assert set(map(tuple, runs.attempts(runs.read(log)).values())) == {(1,)}


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_a_pod_that_was_frozen_commits_nothing_of_what_it_lost(
    broker: HostBroker, topics: Topics, guarantee: str
) -> None:
    """It wakes up with results of partitions that others own by then: they are dropped, and never committed."""
    source = topics.create(2)
    topics.create_named(f"{source}.out", 2)
    quick = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"}
    trigger = spec(
        broker,
        source,
        source={"groupId": f"g.{source}", "groupProtocol": "Classic", "options": quick},
        delivery={"guarantee": guarantee, "maxInFlight": 20},
        runtime={"workers": 1},
    )
    count, keys = 400, 8
    topics.produce(source, [(b"k%d" % (n % keys), action("sleep", n=n, seconds=0.02)) for n in range(count)])
    with Pod(trigger) as first:
        until(lambda: topics.count(f"{source}.out") > 20, 60, "the first responses")
        first.freeze()
        with Pod(trigger) as second:
            second.wait(lambda now: len(now.partitions) == 2)
            ended = topics.read(f"{source}.out", 100)
            first.thaw()
            first.wait(lambda now: now.rebalances > 1 and len(now.partitions) == 1)
            before = topics.committed(first.config.group_id, source)
            wait_committed(topics, second, source, 60)
            assert all(before[number] <= end for number, end in topics.committed(first.config.group_id, source).items())
            answers = topics.read_all(f"{source}.out")
            for pod in (first, second):
                pod.stop()
    assert ended
    found = by_key(answers)
    assert {key: sorted(set(each)) for key, each in found.items()} == {
        b"k%d" % key: list(range(key, count, keys)) for key in range(keys)
    }
    if guarantee == "ExactlyOnce":
        assert len(answers) == count
    else:
        assert len(answers) <= count + 2 * 60, "more was repeated than was open when it froze"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_assigned_to_one_that_leaves_is_left_alone(
    broker: HostBroker, topics: Topics, tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where several pods end at a time. A client that closes would not be told where the partitions start."""
    monkeypatch.setattr("kafkatrigger.consumer.source.START_PATIENCE", 1.0)
    name = topics.create(2)
    config = consumer_config("tests", name, KafkaTriggerSpec.model_validate(_shared(broker, name, protocol)))
    policy = Policy(StartPolicy(), config.redrive_topic, 7, tmp_path)
    source = Source(config, policy, lambda _: None, lambda _: None, lambda: None, lambda _: None)
    until(lambda: _is_assigned(broker, config.group_id), 60, "an assignment that is not taken up")
    source.close()
    assert source.partitions == {}
    assert topics.committed(config.group_id, name) == {}
    assert topics.members(config.group_id) == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_member_of_somebody_else_is_named(broker: HostBroker, topics: Topics, protocol: str) -> None:
    """What it is given the function never sees, so the pod is not ready; nor is one of the same name in another cluster."""
    source = topics.create(4)
    trigger = _shared(broker, source, protocol)
    with Pod(trigger) as pod:
        pod.wait_ready()
        for uid, name in (("", "stranger"), (uuid.uuid4().hex, f"kafkatrigger.tests.g.{source}.")):
            with (
                strangers.member(broker.bootstrap, f"g.{source}", source, name, protocol)
                if not uid
                else Pod(trigger, uid=uid)
            ):
                said = pod.wait(lambda now: now.reason == GROUP_SHARED, 30, "GroupShared")
                assert not said.ready
                assert name in said.message
                assert "source.groupId" in said.message
            pod.wait_ready()
        with Pod(trigger) as second:
            second.wait(lambda now: len(now.partitions) == 2)
            time.sleep(2 * membership.ASK_INTERVAL)
            assert pod.status and pod.status.ready, "a pod of the same trigger is no stranger"


def _is_assigned(broker: HostBroker, group: str) -> bool:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    try:
        found = admin.describe_consumer_groups([group])[group].result()
    except KafkaException:  # its coordinator is just made
        return False
    return any(member.assignment and member.assignment.topic_partitions for member in found.members)
