"""Processes end in the middle of their work: nothing is lost, and little is repeated."""

import time

import pytest

from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, assert_in_order, by_key, numbered, numbers, spec
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until

COUNT = 20_000


def test_a_killed_consumer_loses_nothing_and_repeats_little(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(4)
    topics.create_named(f"{source}.out", 4)
    topics.produce(source, numbered(COUNT))
    # The classic protocol misses a dead member after 10 s, the new one after 45.
    with Pod(spec(broker, source, source={"groupProtocol": "Classic"}, delivery={"maxInFlight": 500})) as pod:
        until(lambda: topics.count(f"{source}.out") > 1000, 60, "the first responses")
        pod.kill_consumer()
        done = topics.count(f"{source}.out")
        pod.start_consumer()
        until(lambda: sum(topics.committed(pod.config.group_id, source).values()) == COUNT, 90, "commits to the end")
        answers = topics.read_all(f"{source}.out")
        pod.stop()
    assert set(numbers(answers)) == set(range(COUNT))
    assert_in_order(answers)
    # What is repeated was done in the second before the kill, and not before the last commit.
    assert len(answers) - COUNT <= done


def test_a_killed_runtime_loses_nothing_and_the_consumer_stays_in_its_group(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(4)
    topics.create_named(f"{source}.out", 4)
    topics.produce(source, numbered(COUNT))
    with Pod(spec(broker, source, delivery={"maxInFlight": 500})) as pod:
        until(lambda: topics.count(f"{source}.out") > 1000, 60, "the first responses")
        rebalances = until(lambda: (now := pod.status) and now.rebalances)
        pod.restart_runtime()
        until(lambda: sum(topics.committed(pod.config.group_id, source).values()) == COUNT, 90, "commits to the end")
        answers = topics.read_all(f"{source}.out")
        assert pod.status_now().rebalances == rebalances
        pod.stop()
    assert set(numbers(answers)) == set(range(COUNT))
    assert len(answers) - COUNT <= 500
    assert_in_order(answers)


def test_an_end_that_is_asked_for_drains_commits_and_repeats_nothing(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(2)
    topics.create_named(f"{source}.out", 2)
    topics.produce(source, numbered(800, keys=20))
    trigger = spec(broker, source, "functions:slow", runtime={"workers": 2}, source={"groupId": f"g.{source}"})
    with Pod(trigger) as pod:
        until(lambda: topics.count(f"{source}.out") > 20, 60, "the first responses")
        pod.stop()
        answered = topics.count(f"{source}.out")
        assert sum(topics.committed(pod.config.group_id, source).values()) <= answered < 800
    with Pod(trigger) as pod:
        until(lambda: topics.count(f"{source}.out") >= 800, 60, "all responses")
        until(lambda: sum(topics.committed(pod.config.group_id, source).values()) == 800, 20)
        pod.stop()
    answers = topics.read_all(f"{source}.out")
    assert by_key(answers) == {b"k%d" % key: list(range(key, 800, 20)) for key in range(20)}


def test_a_message_that_runs_when_the_end_is_asked_for_is_answered(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.create_named(f"{source}.out", 1)
    topics.produce(source, [(b"k", action("sleep", seconds=3))])
    with Pod(spec(broker, source)) as pod:
        until(lambda: (now := pod.status) and now.in_flight == 1, 60, "the message under way")
        pod.stop()
        assert topics.count(f"{source}.out") == 1
        assert topics.committed(pod.config.group_id, source) == {0: 1}


def test_what_was_done_beyond_the_watermark_is_not_run_again(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    slow = [(b"slow", action("fail-until", attempt=2, n=0))]
    topics.produce(source, [*slow, *numbered(1000, start=1)])
    retry = {"retry": {"attempts": 5, "initialDelay": "10m", "maxDelay": "10m"}}
    with Pod(spec(broker, source, source={"groupId": f"g.{source}"}, delivery=retry)) as pod:
        assert set(numbers(topics.read(f"{source}.out", 1000))) == set(range(1, 1001))
        until(lambda: (now := pod.status) and now.outcomes.get("succeeded") == 1000, 20)
        pod.stop()
        assert topics.committed(pod.config.group_id, source) == {0: 0}
    with Pod(spec(broker, source, source={"groupId": f"g.{source}"})) as pod:
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 1001}, 60)
        assert sorted(numbers(topics.read(f"{source}.out", 1001))) == list(range(1001))
        pod.stop()


@pytest.mark.parametrize("protocol", ["Consumer", "Classic"])
def test_pods_join_and_leave_under_load(broker: HostBroker, topics: Topics, protocol: str) -> None:
    source = topics.create(4)
    topics.create_named(f"{source}.out", 4)
    trigger = spec(
        broker,
        source,
        source={"groupId": f"g.{source}", "groupProtocol": protocol},
        delivery={"maxInFlight": 200},
    )
    produced = 0

    def produce() -> None:
        nonlocal produced
        topics.produce(source, numbered(1000, start=produced))
        produced += 1000

    def produce_while(condition: object) -> None:
        deadline = time.monotonic() + 60
        while not condition():  # type: ignore[operator]
            assert time.monotonic() < deadline, "the assignment does not come about"
            produce()

    def holds(pod: Pod, count: int) -> bool:
        return (now := pod.status) is not None and now.ready and len(now.partitions) == count

    with Pod(trigger) as first:
        produce_while(lambda: holds(first, 4))
        with Pod(trigger) as second:
            produce_while(lambda: holds(first, 2) and holds(second, 2))
            assert until(lambda: first.status).worker_restarts == {}, "what ran was not finished, but ended"
            produce()
            first.stop()
            produce_while(lambda: holds(second, 4))
            until(lambda: sum(topics.committed(second.config.group_id, source).values()) == produced, 60)
            second.stop()
    answers = topics.read_all(f"{source}.out")
    assert set(numbers(answers)) == set(range(produced))
    assert_in_order(answers)
    assert len(answers) - produced <= 600, "more was repeated than can have been under way"


@pytest.mark.parametrize("protocol", ["Consumer", "Classic"])
def test_a_pod_without_partitions_stands_by(broker: HostBroker, topics: Topics, protocol: str) -> None:
    source = topics.create(1)
    trigger = spec(broker, source, source={"groupId": f"g.{source}", "groupProtocol": protocol})
    with Pod(trigger) as first, Pod(trigger) as second:
        for pod in (first, second):
            pod.wait_ready()
        states = [until(lambda: first.status), until(lambda: second.status)]
        assert sorted(len(state.partitions) for state in states) == [0, 1]
        first.stop()
        until(lambda: (now := second.status) and len(now.partitions) == 1, 30, "the other pod's partition")
        second.stop()
