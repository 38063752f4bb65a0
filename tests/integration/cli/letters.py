"""Dead letters as a consumer writes them, for the tests of this folder."""

import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from typing import NamedTuple

from confluent_kafka import Message, Producer

from kafkatrigger.api.dead_letters import Answer, Redrive, Redriven, Request, Target
from kafkatrigger.api.selection import Selection
from kafkatrigger.kafka.dead_letters import answer
from kafkatrigger.kafka.reading import Reader
from tests.cluster.broker import HostBroker
from tests.support.topics import Topics

START = (int(time.time()) - 6 * 3600) * 1000
"""Timestamp of the message at offset 0, in milliseconds; each later one is a second younger. No older, or retention takes
them."""


class Failed(NamedTuple):
    """A message that failed."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None = b"value"
    reason: str = "FunctionFailed"
    error_class: str = "ValueError"
    headers: tuple[tuple[str, bytes], ...] = ()
    omitted: int | None = None


def headers_of(source: str, failed: Failed) -> list[tuple[str, bytes]]:
    omitted = [("kafkatrigger.value.omitted", b"%d" % failed.omitted)] if failed.omitted is not None else []
    return [
        *failed.headers,
        ("kafkatrigger.error.reason", failed.reason.encode()),
        ("kafkatrigger.error.class", failed.error_class.encode()),
        ("kafkatrigger.error.message", b"it did not work (line 7)"),
        ("kafkatrigger.source.topic", source.encode()),
        ("kafkatrigger.source.partition", b"%d" % failed.partition),
        ("kafkatrigger.source.offset", b"%d" % failed.offset),
        ("kafkatrigger.source.timestamp", b"%d" % timestamp(failed.offset)),
        ("kafkatrigger.attempts", b"5"),
        *omitted,
    ]


def timestamp(offset: int) -> int:
    return START + offset * 1000


class Letters:
    """A source, its dead-letter topic, and what becomes of it."""

    def __init__(self, broker: HostBroker, topics: Topics, partitions: int = 2) -> None:
        self.topics, self.bootstrap = topics, broker.bootstrap
        self.source = topics.create(partitions, prefix="source")
        self.group = f"g-{uuid.uuid4().hex[:8]}"
        topics.create_named(f"{self.group}.dlq", partitions)
        self.target = Target([broker.bootstrap], {}, f"{self.group}.dlq", f"{self.group}.redrive")
        self.reports: list[str] = []

    def write(self, *failed: Failed, topic: str = "") -> None:
        """Dead letters, in this order."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random", "linger.ms": 5})
        for each in failed:
            producer.produce(
                self.target.topic,
                None if each.omitted is not None else each.value,
                each.key,
                headers=headers_of(topic or self.source, each),
                timestamp=timestamp(each.offset),
            )
        assert producer.flush(30) == 0

    def fill(self, *keys: bytes | None, partition: int = 0, value: bytes = b"value") -> None:
        """Messages of the source, the first at offset 0."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5})
        for offset, key in enumerate(keys):
            producer.produce(
                self.source, value, key, partition, timestamp=timestamp(offset), headers=[("own", b"%d" % offset)]
            )
        assert producer.flush(30) == 0

    def ask(self, request: Request) -> Answer:
        return answer(self.target, request, self.reports.append)

    def redrive(self, **more: object) -> Redriven:
        """AssertionError where it is refused."""
        found = self.ask(redrive_of(**more))
        assert found.redriven is not None, found.error
        return found.redriven

    @property
    def copies(self) -> list[Message]:
        """The redrive topic as its trigger reads it: what was committed, to the end."""
        with closing(Reader({"bootstrap.servers": self.bootstrap})) as reader:
            topic = self.target.redrive_topic
            return list(reader.scan(topic, reader.ranges(topic)))


def redrive_of(**more: object) -> Redrive:
    fields: dict[str, object] = {"selection": Selection(), "request": uuid.uuid4().hex[:8], **more}
    return Redrive(**fields)  # type: ignore[arg-type]


def source_of(message: Message) -> tuple[int, int]:
    """Source partition and offset that a record's headers name."""
    said = dict(message.headers())
    return int(said["kafkatrigger.source.partition"]), int(said["kafkatrigger.source.offset"])


def offsets_by_key(messages: Iterable[Message]) -> dict[bytes, list[int]]:
    """Source offsets by key, in the order of the messages."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for message in messages:
        found[message.key()].append(source_of(message)[1])
    return found
