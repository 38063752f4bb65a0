"""Copies of dead letters: what they hold, and writing them in transactions."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kafkatrigger.api.dead_letters import Letter, Target
from kafkatrigger.api.selection import message_id
from kafkatrigger.kafka.client import QUIET, connection
from kafkatrigger.kafka.letters import Headers, copied_headers, headers_of, marked
from kafkatrigger.kafka.reading import PATIENCE, Ranges, Reader

BATCH = 5000
"""Copies of one transaction,"""
BATCH_BYTES = 8 * 1024 * 1024
"""and the bytes that one holds, or one copy that is larger."""

FRAME = 100
"""Bytes at most that a batch and its only record need beside key, value and headers."""
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}


class RedriveError(Exception):
    """Not everything was moved; the message says why and what to do. What was moved stays moved, once."""


class Copy(NamedTuple):
    """A record for the redrive topic."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def batches(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """In their order, each of one transaction. Pure."""
    batch: list[Letter] = []
    held = 0
    for each in letters:
        size = each.size + (each.omitted or 0)
        if batch and (len(batch) == BATCH or held + size > BATCH_BYTES):
            yield batch
            batch, held = [], 0
        batch.append(each)
        held += size
    if batch:
        yield batch


def copies_of(reader: Reader, target: Target, batch: Sequence[Letter], request: str, partitions: int) -> Iterator[Copy]:
    """The copies of those that are still there.

    What comes from one source partition goes into one partition: so whatever kept its order there keeps it here.
    """
    offsets: dict[int, set[int]] = {}
    for each in batch:
        if each.omitted is None:
            offsets.setdefault(each.partition, set()).add(each.offset)
    letters = {
        message_id(target.topic, each.partition(), each.offset()): each for each in reader.fetch(target.topic, offsets)
    }
    sources = from_source(reader, [each for each in batch if each.omitted is not None])
    for each in batch:
        partition = each.source_partition % partitions
        message = letters.get(each.id, sources.get(each.id))
        if message is not None:  # a message without a value is false
            form = copied_headers if each.id in letters else marked
            yield Copy(partition, message.key(), message.value(), form(headers_of(message), each, request))


def from_source(reader: Reader, references: Sequence[Letter]) -> dict[str, Message]:
    """By the id of the reference, its message, where the source still has that one."""
    wanted: dict[str, dict[int, set[int]]] = {}
    for each in references:
        wanted.setdefault(each.source_topic, {}).setdefault(each.source_partition, set()).add(each.source_offset)
    found: dict[str, Message] = {}
    for topic, offsets in wanted.items():
        present = reader.partitions(topic)
        of_topic = {number: places for number, places in offsets.items() if number in present}
        bounded = _within(of_topic, reader.ranges(topic))
        found |= {message_id(topic, each.partition(), each.offset()): each for each in reader.fetch(topic, bounded)}
    pairs = ((each, found.get(each.source_id)) for each in references)
    # A topic that was made anew has other messages at these offsets.
    return {
        each.id: message for each, message in pairs if message is not None and message.timestamp()[1] == each.timestamp
    }


def _within(offsets: dict[int, set[int]], ranges: Ranges) -> dict[int, set[int]]:
    return {
        number: {each for each in places if ranges[number][0] <= each < ranges[number][1]}
        for number, places in offsets.items()
    }


class Writer:
    """Writes copies, in transactions."""

    def __init__(self, target: Target, largest: int) -> None:
        """`largest`: bytes of a batch that the topic takes. RedriveError where there can be no transactions."""
        self._topic = target.redrive_topic
        self._producer = Producer(
            {
                **connection(target.servers, target.options),
                **QUIET,
                "transactional.id": target.redrive_topic,
                "transaction.timeout.ms": 60_000,
                "message.timeout.ms": 30_000,
                "linger.ms": 5,
                # What the topic takes was looked up; the client's own limits would refuse some of it.
                "batch.size": min(largest, 1_000_000),
                "message.max.bytes": 64 * 1024 * 1024,
                "retry.backoff.ms": 10,
            }
        )
        try:
            self._producer.init_transactions(PATIENCE)
        except KafkaException as error:
            raise _given_up(error.args[0]) from None

    def write(self, copies: Sequence[Copy]) -> None:
        """In this order, in one transaction; RedriveError where it is not committed."""
        errors: list[KafkaError] = []
        try:
            self._producer.begin_transaction()
            for copy in copies:
                self._produce(copy, lambda error, _: errors.append(error) if error else None)
            self._producer.flush(PATIENCE)
            if errors:
                raise KafkaException(errors[0])
            self._producer.commit_transaction(PATIENCE)
        except KafkaException as error:
            with contextlib.suppress(KafkaException):
                self._producer.abort_transaction(PATIENCE)
            raise _given_up(error.args[0]) from None

    def _produce(self, copy: Copy, on_delivery: Callable[[KafkaError | None, Message], None]) -> None:
        """With the time of now: by that of the message, which its headers say, retention could remove it unread."""
        while True:
            try:
                self._producer.produce(
                    self._topic, copy.value, copy.key, copy.partition, on_delivery, headers=copy.headers
                )
                return
            except BufferError:
                self._producer.poll(0.1)


def size_of(copy: Copy) -> int:
    """Bytes that a copy needs at most, alone and without compression. Pure."""
    headers = sum(len(name) + len(content or b"") + 10 for name, content in copy.headers)
    return len(copy.key or b"") + len(copy.value or b"") + headers + FRAME


def _given_up(error: KafkaError) -> RedriveError:
    if error.code() in _FENCED:
        return RedriveError("another redrive of this trigger began and goes on with what is left; this one has ended")
    return RedriveError(
        f"the brokers do not take the copies ({error.str()}): mend that and redrive again, nothing is moved twice"
    )
