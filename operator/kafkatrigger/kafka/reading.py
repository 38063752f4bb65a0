"""Reading parts of topics from here to there, outside of any consumer group."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec

from kafkatrigger.kafka import log_offsets
from kafkatrigger.kafka.admin import Admin
from kafkatrigger.kafka.client import Configuration

Ranges = Mapping[int, tuple[int, int]]
"""By partition: the first offset, and the one behind the last."""

PATIENCE = 30.0
"""Seconds without anything from the brokers until reading is given up."""
GAP = 2000
"""Offsets that are rather read and dropped than jumped over."""

_BATCH = 500
_POLL = 0.02
_PASSING = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT}


class ReadError(Exception):
    """A topic cannot be read; the message says which, and what the broker says."""


class Reader:
    """Committed records of topics. One thing at a time: a scan ends before the next begins."""

    def __init__(self, common: Configuration, patience: float = PATIENCE) -> None:
        self._patience = patience
        self.admin = Admin(common)
        self._consumer = Consumer(
            {
                **common,
                # The client wants one. Nothing is joined or committed.
                "group.id": "kafkatrigger-reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                # Retention may remove the beginning of what is read.
                "auto.offset.reset": "earliest",
                "fetch.queue.backoff.ms": 10,
                # A scan that begins waits for the last one's request, which has nothing to get at the end of a topic.
                "fetch.wait.max.ms": 20,
                # What is fetched beyond the end of a range is thrown away.
                "queued.max.messages.kbytes": 1024,
                "fetch.message.max.bytes": 512 * 1024,
                "fetch.max.bytes": 4 * 1024 * 1024,
                "allow.auto.create.topics": False,
            }
        )

    def close(self) -> None:
        """Ends the connections."""
        self._consumer.close()

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic; none where it does not exist. ReadError where no broker answers."""
        try:
            found = self._consumer.list_topics(topic, timeout=self._patience).topics[topic]
        except KafkaException as error:
            raise ReadError(f"no broker answers ({error.args[0].str()}): check the brokers and the network") from None
        if found.error is not None and found.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise ReadError(f"the topic {topic} cannot be read: {found.error.str()}")
        return sorted(found.partitions) if found.error is None else []

    def ranges(self, topic: str, since: int | None = None) -> dict[int, tuple[int, int]]:
        """All that a topic has now, or what it has from a time on (milliseconds since the epoch); nothing where it is none."""
        partitions = self.partitions(topic)
        ends = self._offsets(topic, partitions, OffsetSpec.latest())
        starts = self._offsets(topic, partitions, OffsetSpec.earliest())
        if since is not None:
            later = self._offsets(topic, partitions, OffsetSpec.for_timestamp(since))
            starts = {number: later[number] if later[number] >= 0 else ends[number] for number in partitions}
        return {number: (starts[number], ends[number]) for number in partitions}

    def _offsets(self, topic: str, partitions: Sequence[int], which: OffsetSpec) -> dict[int, int]:
        try:
            found = log_offsets.ask(self.admin, {(topic, number): which for number in partitions}, self._patience)
            return {number: offset for (_, number), offset in found.items()}
        except KafkaException as error:
            raise ReadError(f"the topic {topic} cannot be read: {error.args[0].str()}") from None

    def scan(self, topic: str, ranges: Ranges, finished: Collection[int] = ()) -> Iterator[Message]:
        """The records of these ranges, in the order of each partition; ReadError where brokers do not answer.

        Partitions that the caller adds to `finished` meanwhile are read no further.
        """
        ends = {number: end for number, (start, end) in ranges.items() if start < end}
        wheres = [TopicPartition(topic, number, ranges[number][0]) for number in ends]
        self._consumer.assign(wheres)
        self._consumer.resume(wheres)  # partitions stay paused from one assignment to the next
        deadline = time.monotonic() + self._patience
        while ends:
            batch = self._consumer.consume(_BATCH, _POLL)
            if batch:
                deadline = time.monotonic() + self._patience
            elif time.monotonic() > deadline:
                raise ReadError(f"the brokers sent nothing of {topic} for {self._patience:.0f} s: check them")
            for message in batch:
                end = ends.get(message.partition(), 0)
                if message.error() is None and message.offset() < end:
                    yield message
                if message.partition() in finished or _is_last(message, end):
                    self._finish(topic, ends, message.partition())
        self._consumer.unassign()

    def _finish(self, topic: str, ends: dict[int, int], partition: int) -> None:
        if ends.pop(partition, None) is not None:
            self._consumer.pause([TopicPartition(topic, partition)])

    def fetch(self, topic: str, offsets: Mapping[int, Collection[int]]) -> Iterator[Message]:
        """The records at these offsets, those that there are."""
        by_partition = {number: segments(wanted, GAP) for number, wanted in offsets.items()}
        for parts in zip_longest(*by_partition.values()):
            ranges = {number: part for number, part in zip(by_partition, parts, strict=True) if part}
            for message in self.scan(topic, ranges):
                if message.offset() in offsets[message.partition()]:
                    yield message


def _is_last(message: Message, end: int) -> bool:
    """Whether nothing of the range comes behind; raises what a broker refuses."""
    error = message.error()
    if error is None:
        return bool(message.offset() >= end - 1)
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    if error.code() in _PASSING or error.retriable():
        return False
    raise ReadError(f"the topic {message.topic()} cannot be read: {error.str()}")


def segments(offsets: Collection[int], gap: int) -> list[tuple[int, int]]:
    """Ranges that hold these offsets, and no stretch longer than `gap` without one. Pure."""
    found: list[tuple[int, int]] = []
    for offset in sorted(offsets):
        if found and offset - found[-1][1] <= gap:
            found[-1] = (found[-1][0], offset + 1)
        else:
            found.append((offset, offset + 1))
    return found
