"""How much waits for a group that no pod speaks of: of a real broker, and with it in the status."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Producer

from kafkatrigger.api.checkpoint import Checkpoint, Mark
from kafkatrigger.api.commit_metadata import Metadata
from kafkatrigger.api.pod_status import CONSUMING, PartitionStatus, PodStatus
from kafkatrigger.controller.lags import question
from kafkatrigger.kafka.brokers import Brokers
from kafkatrigger.kafka.group_lag import Lag, ask
from tests.cluster.broker import HostBroker
from tests.integration.controller.speaking_pod import pod_that_says
from tests.integration.controller.test_replay import Group
from tests.integration.controller.world import PATIENCE, World
from tests.support.kubernetes import CONFIG_MAPS, Body
from tests.support.topics import Topics
from tests.support.waiting import until
from tests.unit.controller.helpers import KEY, accepted

HURRY = """
from kafkatrigger.controller import checkpointer, lags, pod_reader
checkpointer.INTERVAL, checkpointer.FIRST_PAUSE, pod_reader.READY_PAUSE, lags.PAUSE = 0.5, 0.5, 0.3, 0.3
"""
COMPACTED = {"cleanup_policy": "compact", "segment_ms": "200", "min_cleanable_dirty_ratio": "0.001"}
MINUTE = 60_000
NOW = int(time.time() * 1000)


@pytest.fixture(scope="module")
def broker() -> Iterator[HostBroker]:
    """A broker that compacts soon."""
    with HostBroker(properties={"log.cleaner.backoff.ms": "200"}) as running:
        yield running


@pytest.fixture
def topics(broker: HostBroker) -> Topics:
    return Topics(broker.bootstrap)


class Asked:
    """A group that has no consumers, and its topic."""

    def __init__(self, broker: HostBroker, topic: str) -> None:
        self._broker, self.topic = broker, topic
        self.group = Group(broker, f"g-{uuid.uuid4().hex[:8]}", topic)
        self.read = 0
        """How often the checkpoint was."""

    def lag(self, recorded: Checkpoint | None = None, **source: Any) -> Lag:
        """With this checkpoint, and these parts of the spec."""

        def checkpoint() -> Checkpoint:
            self.read += 1
            return recorded or {}

        named = {"topics": [self.topic], **source}
        spec = {
            "kafka": {"bootstrapServers": [self._broker.bootstrap]},
            "source": {"groupId": self.group.name, **(source if "topicPattern" in source else named)},
        }
        return ask(Brokers(), question(KEY, accepted(spec)).subject, checkpoint)


@pytest.fixture
def asked(broker: HostBroker, topics: Topics) -> Asked:
    """One partition with ten messages."""
    found = Asked(broker, topics.create(partitions=1))
    topics.produce(found.topic, [(b"k", b"v")] * 10)
    until(lambda: found.lag().messages is not None, 30, "an answer of a broker that has just begun")
    found.read = 0
    return found


@contextmanager
def transaction(broker: HostBroker, topic: str, messages: int) -> Iterator[Producer]:
    """Its messages are written when the block begins."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(30)
    producer.begin_transaction()
    for _ in range(messages):
        producer.produce(topic, b"v", b"k")
    assert producer.flush(30) == 0
    yield producer


@pytest.mark.parametrize(
    ("source", "waits"),
    [
        ({}, 10),
        ({"initialOffsetResetPolicy": "latest"}, 0),
        ({"initialOffsetResetPolicy": str(NOW - 60 * MINUTE)}, 10),
        ({"initialOffsetResetPolicy": str(NOW + 60 * MINUTE)}, 0),
    ],
)
def test_of_a_group_that_committed_nothing_it_is_what_would_be_read(
    asked: Asked, source: dict[str, Any], waits: int
) -> None:
    assert asked.lag(**source) == Lag(waits)


def test_partition_timestamps_count(asked: Asked) -> None:
    later = {asked.topic: {"0": NOW + 60 * MINUTE}}
    assert asked.lag(partitionTimestamps=later) == Lag(0)


def test_the_checkpoint_counts_where_nothing_is_committed(asked: Asked) -> None:
    assert asked.lag({asked.topic: {"0": Mark(7)}}) == Lag(3)
    assert asked.lag({"another": {"0": Mark(7)}}, initialOffsetResetPolicy="latest") == Lag(10)
    assert asked.lag({asked.topic: {"0": Mark(7, topic_id="ab")}}) == Lag(10)
    assert asked.read == 3
    asked.group.commit(4)
    assert asked.lag({asked.topic: {"0": Mark(7)}}) == Lag(6)
    assert asked.read == 3


def test_what_is_committed_counts(asked: Asked, topics: Topics) -> None:
    asked.group.commit(4)
    assert asked.lag(initialOffsetResetPolicy="latest") == Lag(6)
    topics.delete_before(asked.topic, 0, 8)
    assert asked.lag() == Lag(2)
    asked.group.commit(10)
    assert asked.lag() == Lag(0)
    asked.group.commit(4, metadata=Metadata("r", b"another topic id"))
    assert asked.lag() == Lag(2)


def test_transactions_count_when_they_are_over(asked: Asked, broker: HostBroker) -> None:
    asked.group.commit(10)
    with transaction(broker, asked.topic, 5) as producer:
        assert asked.lag() == Lag(0)
        producer.abort_transaction(30)
    assert until(lambda: asked.lag().messages, 10, "the end of the transaction") == 6
    with transaction(broker, asked.topic, 5) as producer:
        assert asked.lag() == Lag(6)
        producer.commit_transaction(30)
    until(lambda: asked.lag() == Lag(12), 10, "messages and markers")
    asked.group.commit(22)
    assert asked.lag() == Lag(0)


def test_of_compacted_topics_it_is_offsets(broker: HostBroker, topics: Topics) -> None:
    asked = Asked(broker, topics.create(partitions=1, **COMPACTED))
    for _ in range(4):
        topics.produce(asked.topic, [(b"k", b"v")] * 5)
        time.sleep(0.3)  # a segment is closed by the first message after its time
    until(lambda: len(topics.read_all(asked.topic)) < 20, 60, "compaction")
    assert asked.lag() == Lag(20)
    asked.group.commit(20)
    assert asked.lag() == Lag(0)


def test_empty_and_missing_topics_have_nothing(broker: HostBroker, topics: Topics, asked: Asked) -> None:
    assert Asked(broker, "missing").lag() == Lag(0)
    assert asked.lag(topicPattern="no-topic-like-this") == Lag(0)
    empty = Asked(broker, topics.create(partitions=3))
    until(lambda: empty.lag() == Lag(0), 30, "a topic that was made a moment ago")


def test_a_pattern_and_redriven_messages(asked: Asked, topics: Topics) -> None:
    other = topics.create(partitions=2, prefix=asked.topic)
    topics.produce(other, [(b"k", b"v")] * 3)
    assert asked.lag(topicPattern=f"{asked.topic}.*") == Lag(13)
    redrive = f"{asked.group.name}.redrive"
    topics.create_named(redrive, 1)
    topics.produce(redrive, [(b"k", b"v")] * 2)
    until(lambda: asked.lag(initialOffsetResetPolicy="latest") == Lag(2), 10, "the redriven messages")


def test_brokers_that_do_not_answer_say_so() -> None:
    spec = {"kafka": {"bootstrapServers": ["127.0.0.1:1"]}}
    found = ask(Brokers(timeout=1.0), question(KEY, accepted(spec)).subject, dict)
    assert found.messages is None
    assert found.problem


def status(world: World) -> Body:
    found: Body = world.trigger().get("status", {})
    return found


def wait_lag(world: World, lag: int) -> None:
    until(lambda: status(world).get("lag") == lag, PATIENCE, f"the lag {lag}: {status(world)}")


def test_scaled_to_zero_it_is_ready_while_nothing_waits(
    connected_world: World, broker: HostBroker, topics: Topics
) -> None:
    world, topic = connected_world, topics.create(partitions=1)
    world.apply(source={"topics": [topic]}, scaling={"replicas": 0})
    world.wait_condition("Ready", "True", "ScaledToZero")
    assert status(world)["lag"] == 0
    topics.produce(topic, [(b"k", b"v")] * 3)
    world.wait_condition("Ready", "False", "ScaledToZero")
    at_first = status(world)["lag"]
    assert 1 <= at_first <= 3
    before = world.rested_versions()
    topics.produce(topic, [(b"k", b"v")] * 2)
    time.sleep(2)  # some questions whose answers are no news yet
    assert world.versions() == before
    Group(broker, f"test.{world.namespace}.rul", topic).commit(5)
    world.wait_condition("Ready", "True", "ScaledToZero")
    assert status(world)["lag"] == 0


def test_a_suspended_trigger_has_a_lag(connected_world: World, topics: Topics) -> None:
    world, topic = connected_world, topics.create(partitions=1)
    topics.produce(topic, [(b"k", b"v")] * 5)
    world.apply(source={"topics": [topic]}, suspend=True)
    wait_lag(world, 5)
    world.wait_condition("Ready", "False", "Suspended")


def test_brokers_are_asked_where_pods_cannot_be(connected_world: World, topics: Topics) -> None:
    world, topic = connected_world, topics.create(partitions=1)
    topics.produce(topic, [(b"k", b"v")] * 5)
    world.apply(source={"topics": [topic]})
    for pod in world.pods(1):
        world.set_pod(pod, ready=False, ip="127.0.0.9")
    wait_lag(world, 5)


def test_the_checkpoint_counts_where_the_brokers_forgot(connected_world: World, topics: Topics) -> None:
    world, topic = connected_world, topics.create(partitions=1)
    topics.produce(topic, [(b"k", b"v")] * 10)
    world.apply(source={"topics": [topic]})
    held = PartitionStatus(topic, 0, 8, 8, 2, "Committed", timestamp=NOW)
    with pod_that_says(PodStatus("n/rul", True, CONSUMING, "", f"test.{world.namespace}.rul", [held])) as speaking:
        (pod,) = world.pods(1)
        world.set_pod(pod, ready=True, ip=speaking.address)
        until(lambda: "partitionTimestamps" in status(world), PATIENCE, "the checkpoint")
        assert world.api.get(world.path(CONFIG_MAPS, "rul-consumer-checkpoint-0"))
    topics.produce(topic, [(b"k", b"v")] * 4)
    world.apply(source={"topics": [topic]}, scaling={"replicas": 0})
    wait_lag(world, 6)
    world.wait_condition("Ready", "False", "ScaledToZero")
