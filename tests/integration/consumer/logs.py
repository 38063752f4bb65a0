"""Logs of every shape that a partition may have, and what a reader finds in them."""

import time
import uuid
from collections.abc import Callable

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from kafkatrigger.kafka import topics
from tests.support.topics import Topics
from tests.support.waiting import until

COUNT = 10
"""Messages written to each partition of all but the empty one."""

STEP = 1000
"""Milliseconds between the messages."""


class Log(msgspec.Struct):
    """One partition."""

    messages: list[tuple[int, int]]
    """Offset and timestamp of each that a reader of committed transactions is given."""
    low: int
    end: int
    topic_id: bytes
    former_id: bytes
    """Of the topic of that name that was there before; the same where there was none."""

    def first_from(self, offset: int) -> int | None:
        """The first message that is not before the offset."""
        return next((each for each, _ in self.messages if each >= offset), None)


class Logs:
    """Topics whose partitions are all alike, but for the broker's clock; `make` takes the shape."""

    SHAPES = ("normal", "empty", "compacted", "transactional", "trimmed", "recreated", "shuffled", "append_time")

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._bootstrap, self._partitions = bootstrap, partitions
        self._topics = Topics(bootstrap)
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        # Later than the broker's clock, which transaction markers have: no time that is looked for is theirs.
        self._base = round(time.time() * 1000) + 600_000

    def make(self, shape: str) -> tuple[str, list[Log]]:
        """The topic's name, and what its partitions look like."""
        settings = {
            "compacted": {"cleanup_policy": "compact", "segment_ms": "100", "min_cleanable_dirty_ratio": "0.001"},
            "append_time": {"message_timestamp_type": "LogAppendTime"},
        }
        name = self._topics.create(self._partitions, shape, **settings.get(shape, {}))
        former = self._id(name)
        fill: Callable[[str], None] = getattr(self, f"_{shape}", self._normal)
        fill(name)
        topic_id = self._id(name)
        return name, [Log(messages, low, end, topic_id, former) for messages, low, end in self._read(name)]

    def _id(self, name: str) -> bytes:
        """Brokers may learn of a new topic a moment later."""
        return until(lambda: topics.ids(self._admin, [name]).get(name), 30, f"the id of {name}")

    def _produce(self, producer: Producer, name: str, first: int, count: int, keys: int = COUNT) -> None:
        for number in range(first, first + count):
            for partition in range(self._partitions):
                key, timestamp = b"%d" % (number % keys), self._base + number * STEP
                producer.produce(name, b"%d" % number, key, partition, timestamp=timestamp)
        assert producer.flush(30) == 0

    def _producer(self, **more: str) -> Producer:
        return Producer({"bootstrap.servers": self._bootstrap, "linger.ms": 5, **more})

    def _normal(self, name: str) -> None:
        self._produce(self._producer(), name, 0, COUNT)

    def _empty(self, name: str) -> None:
        pass

    def _compacted(self, name: str) -> None:
        producer = self._producer()
        self._produce(producer, name, 0, COUNT - 1, keys=4)
        self._produce(producer, name, COUNT - 1, 1)  # in a segment of its own, which is not compacted
        until(lambda: all(len(found) < COUNT - 3 for found, _, _ in self._read(name)), 60, "compaction")
        until(lambda: len({tuple(found) for found, _, _ in self._read(name)}) == 1, 60, "compaction of all")

    def _transactional(self, name: str) -> None:
        producer = self._producer(**{"transactional.id": name})
        producer.init_transactions(30)
        for number in range(5):
            producer.begin_transaction()
            self._produce(producer, name, number * 2, 2)
            (producer.abort_transaction if number % 2 == 0 else producer.commit_transaction)(30)

    def _trimmed(self, name: str) -> None:
        self._normal(name)
        for partition in range(self._partitions):
            self._topics.delete_before(name, partition, 5)

    def _recreated(self, name: str) -> None:
        self._normal(name)
        self._topics.delete(name)
        self._topics.create_named(name, self._partitions)
        self._normal(name)

    def _shuffled(self, name: str) -> None:
        producer = self._producer()
        for number in (0, 1, 5, 2, 7, 3, 9, 4, 6, 8):
            self._produce(producer, name, number, 1)

    def _read(self, name: str) -> list[tuple[list[tuple[int, int]], int, int]]:
        """Messages, first offset and end of each partition, as a reader from the very beginning meets them."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": uuid.uuid4().hex,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        places = [TopicPartition(name, number) for number in range(self._partitions)]
        lows = until(lambda: _lows(consumer, places), 30, f"leaders for {name}")
        consumer.assign([TopicPartition(name, each.partition, low) for each, low in zip(places, lows, strict=True)])
        messages: list[list[tuple[int, int]]] = [[] for _ in places]
        ends: dict[int, int] = {}
        while len(ends) < self._partitions:
            for each in consumer.consume(1000, 1):
                if each.error() is None:
                    messages[each.partition()].append((each.offset(), each.timestamp()[1]))
                else:
                    assert each.error().code() == KafkaError._PARTITION_EOF, each.error()
                    ends[each.partition()] = each.offset()
        consumer.close()
        return [(messages[number], lows[number], ends[number]) for number in range(self._partitions)]


def _lows(consumer: Consumer, places: list[TopicPartition]) -> list[int]:
    """First offsets; none while a new partition has no leader yet."""
    try:
        return [consumer.get_watermark_offsets(each, timeout=10)[0] for each in places]
    except KafkaException:
        return []
