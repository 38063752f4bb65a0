"""The broker as the benchmarks see it: fill, watch, read. What is measured is measured here, never in a contestant."""

import uuid
from collections.abc import Iterator
from itertools import islice
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.cases import PARTITIONS
from benchmarks.history import History
from benchmarks.loads import Load, number, records
from tests.cluster.broker import HostBroker
from tests.support.waiting import until

CHUNK = 10_000
READ_BATCH = 1000
QUIET = 2.0
"""Seconds without a message after which a topic counts as read."""


class Kafka:
    """Topics of one broker."""

    def __init__(self, host: HostBroker) -> None:
        self.bootstrap = host.bootstrap
        self.broker = host.pid
        self._common: dict[str, Any] = {"bootstrap.servers": self.bootstrap, "log_level": 2}
        self._admin = AdminClient(self._common)
        self._watchers: dict[str, Consumer] = {}
        """A client for each topic, made when its leaders answer: one that was told once that a broker is not the leader
        may be told so for minutes (librdkafka 2.16, Kafka 4.1).
        """

        self._filled: dict[Load, str] = {}

    def create(self) -> str:
        """A new topic."""
        name = f"bench-{uuid.uuid4().hex[:8]}"
        self._admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result()
        self._watchers[name] = until(lambda: self._watcher(name), what=f"answers of {name}")
        return name

    def _watcher(self, topic: str) -> Consumer | None:
        """A client to which all partitions answer; None while they do not."""
        watcher = Consumer({**self._common, "group.id": "watcher"})
        try:
            _ends(watcher, topic)
        except KafkaException:
            watcher.close()
            return None
        return watcher

    def delete(self, topic: str) -> None:
        """Deletes a topic."""
        self._watchers.pop(topic).close()
        self._admin.delete_topics([topic])[topic].result()

    def filled(self, load: Load) -> str:
        """A topic with these messages; the one that was filled before when there is one."""
        if load not in self._filled:
            self._filled[load] = self.create()
            self._fill(self._filled[load], load)
        return self._filled[load]

    def forget(self) -> None:
        """Deletes what was filled."""
        for topic in self._filled.values():
            self.delete(topic)
        self._filled.clear()

    def _fill(self, topic: str, load: Load) -> None:
        options = {"linger.ms": 50, "batch.size": 1_000_000, "queue.buffering.max.messages": 4 * CHUNK}
        producer = Producer({**self._common, **options, "partitioner": "murmur2_random"})
        rest = records(load)
        while chunk := list(islice(rest, CHUNK)):
            assert producer.produce_batch(topic, chunk) == len(chunk)
            while len(producer) > 2 * CHUNK:
                producer.poll(0.01)
        assert producer.flush(120) == 0

    def ends(self, topic: str) -> dict[int, int]:
        """The end of the log of each partition."""
        return _ends(self._watchers[topic], topic)

    def group(self, name: str) -> "Group":
        """A consumer group, to look at."""
        return Group(self._common, name)

    def read(self, topic: str) -> Iterator[list[Message]]:
        """All committed messages that there are, in batches; those of a partition in their order."""
        consumer = Consumer({**self._common, "group.id": "reader", "isolation.level": "read_committed"})
        try:
            consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
            while messages := consumer.consume(READ_BATCH, QUIET):
                yield messages
        finally:
            consumer.close()

    def history(self, topic: str, history: History) -> History:
        """The history with all responses of a topic."""
        for messages in self.read(topic):
            for message in messages:
                history.add(message.key(), number(message.value()))
        return history


class Group:
    """The committed offsets of a group; it never joins it."""

    def __init__(self, common: dict[str, Any], name: str) -> None:
        self._consumer = Consumer({**common, "group.id": name, "isolation.level": "read_uncommitted"})

    def committed(self, topic: str) -> dict[int, int]:
        """By partition; 0 where nothing is committed or the coordinator is not there yet."""
        wheres = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        try:
            return {each.partition: max(0, each.offset) for each in self._consumer.committed(wheres, timeout=10)}
        except KafkaException:
            return dict.fromkeys(range(PARTITIONS), 0)

    def close(self) -> None:
        """Ends the connection."""
        self._consumer.close()


def _ends(consumer: Consumer, topic: str) -> dict[int, int]:
    wheres = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    return {where.partition: consumer.get_watermark_offsets(where, timeout=10)[1] for where in wheres}
