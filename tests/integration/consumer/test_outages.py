"""Brokers, topics and runtimes that are not there: the pod says so, and goes on by itself when they are."""

import time

import pytest

from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, numbered, numbers, spec, wait_committed
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until


def test_brokers_that_know_only_the_classic_protocol_and_a_late_start() -> None:
    broker = HostBroker(properties={"group.coordinator.rebalance.protocols": "classic"})
    with Pod(spec(broker, "late")) as pod:
        until(lambda: (now := pod.status) and broker.bootstrap in now.message, 30, "a message that names the broker")
        assert pod.status_now().reason == "BrokersUnreachable"
        assert pod.get("/healthz")[0] == 200
        with broker:
            topics = Topics(broker.bootstrap)
            status = pod.wait_reason("TopicNotFound")
            assert "late" in status.message
            topics.create_named("late", 2)
            pod.wait_ready()
            topics.produce("late", numbered(100))
            assert sorted(numbers(topics.read("late.out", 100))) == list(range(100))
            status = pod.status_now()
            assert (status.group_protocol, status.rebalances) == ("Classic", 1)
            pod.stop()


def test_a_broker_that_crashes_under_load_costs_nothing(own_broker: HostBroker) -> None:
    topics = Topics(own_broker.bootstrap)
    source = topics.create(4)
    topics.create_named(f"{source}.out", 4)
    topics.produce(source, numbered(20_000))
    with Pod(spec(own_broker, source, delivery={"maxInFlight": 500})) as pod:
        until(lambda: topics.count(f"{source}.out") > 1000, 60, "the first responses")
        own_broker.kill()
        pod.wait_reason("BrokersUnreachable")
        assert pod.get("/readyz")[0] == 503
        own_broker.start()
        topics = Topics(own_broker.bootstrap)
        until(lambda: sum(topics.committed(pod.config.group_id, source).values()) == 20_000, 90)
        pod.wait_ready()
        assert set(numbers(topics.read_all(f"{source}.out"))) == set(range(20_000))
        pod.stop()


def test_a_broker_that_hangs_makes_a_pod_unready_and_never_dead(own_broker: HostBroker) -> None:
    topics = Topics(own_broker.bootstrap)
    source = topics.create(2)
    topics.produce(source, numbered(100))
    with Pod(spec(own_broker, source)) as pod:
        pod.wait_ready()
        topics.read(f"{source}.out", 100)
        own_broker.freeze()
        deadline = time.monotonic() + 20
        reasons = set()
        while time.monotonic() < deadline:
            assert pod.get("/healthz")[0] == 200
            reasons.add(pod.status_now().reason)
            time.sleep(0.2)
        assert "BrokersUnreachable" in reasons
        own_broker.thaw()
        pod.wait_ready()
        topics.produce(source, numbered(100, start=100))
        until(lambda: set(numbers(topics.read_all(f"{source}.out"))) == set(range(200)), 60)
        pod.stop()


def test_a_response_topic_that_nobody_makes(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.produce(source, numbered(10))
    with Pod(spec(broker, source, response={"topic": f"{source}.out", "create": False})) as pod:
        status = pod.wait_reason("ResponseUnavailable")
        assert f"{source}.out" in status.message
        topics.create_named(f"{source}.out", 1)
        pod.wait_ready()
        assert sorted(numbers(topics.read(f"{source}.out", 10))) == list(range(10))
        pod.stop()


def test_a_response_topic_that_is_deleted_stops_the_trigger_and_loses_nothing(
    broker: HostBroker, topics: Topics
) -> None:
    source = topics.create(1)
    topics.produce(source, numbered(10))
    with Pod(spec(broker, source)) as pod:
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 10}, 60)
        topics.delete(f"{source}.out")
        topics.produce(source, numbered(10, start=10))
        status = pod.wait_reason("ResponseUnavailable", 90)
        assert f"{source}.out" in status.message
        assert topics.committed(pod.config.group_id, source) == {0: 10}
        topics.create_named(f"{source}.out", 1)
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 20}, 60)
        assert set(numbers(topics.read_all(f"{source}.out"))) == set(range(10, 20))
        pod.wait_ready()
        pod.stop()


@pytest.mark.parametrize("function", ["functions:nowhere", "nowhere:function"])
def test_a_function_that_is_not_there_keeps_the_pod_out_of_the_group(
    broker: HostBroker, topics: Topics, function: str
) -> None:
    source = topics.create(1)
    with Pod(spec(broker, source, function, source={"groupId": f"g.{source}"})) as pod:
        status = until(
            lambda: (now := pod.status) and "nowhere" in now.message and now, 30, "a message that names the function"
        )
        assert status.reason == "TransformationNotLoaded"
        assert pod.get("/readyz")[0] == 503
        assert topics.committed(pod.config.group_id, source) == {}
        assert topics.members(pod.config.group_id) == 0
        pod.stop()


def test_options_that_do_not_go_together_make_no_crash_loop(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    options = {"groupProtocol": "Classic", "options": {"max.poll.interval.ms": "1000"}}
    with Pod(spec(broker, source, source=options)) as pod:
        status = pod.wait_reason("OptionsRefused")
        assert "max.poll.interval.ms" in status.message
        assert "spec.source.options" in status.message
        assert (pod.get("/healthz")[0], pod.get("/readyz")[0]) == (200, 503)
        pod.stop()


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
@pytest.mark.parametrize("ends_by", ["a new topic", "a restart, which makes it"])
def test_dead_letters_that_are_refused_park_their_keys_and_nothing_else(
    broker: HostBroker, topics: Topics, guarantee: str, ends_by: str
) -> None:
    """A dead-letter write that fails is committed anyway elsewhere. Here it waits, over a restart too, and others go on."""
    source = topics.create(1)
    bad = [(b"bad%d" % (n % 3), action("raise", n=-n)) for n in range(1, 10)]
    once = {"guarantee": guarantee, "retry": {"attempts": 1}}
    trigger = spec(broker, source, source={"groupId": f"g.{source}"}, delivery=once)
    with Pod(trigger) as pod:
        pod.wait_ready()
        topics.delete(f"{source}.dlq")
        topics.produce(source, [*bad, *((b"bad1", action("echo", n=1000 + n)) for n in range(5)), *numbered(300)])
        topics.read(f"{source}.out", 300)
        status = pod.wait(lambda now: now.dead_letter_problem)
        assert f"{source}.dlq" in status.dead_letter_problem
        assert status.ready
        assert topics.committed(pod.config.group_id, source) == {0: 0}
        if ends_by == "a new topic":
            topics.create_named(f"{source}.dlq", 1)
            wait_committed(topics, pod, source, 60)
            pod.wait(lambda now: not now.dead_letter_problem)
        pod.stop()
    with Pod(trigger) as pod:
        pod.wait_ready()
        wait_committed(topics, pod, source, 60)
        pod.stop()
    assert sorted(numbers(topics.read_all(f"{source}.dlq"))) == list(range(-9, 0))
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == [*range(300), *range(1000, 1005)]
