"""Redrive: dead letters are copied to a topic that their trigger alone reads, each once.

A copy names the dead letter that it was made of, and is written in a transaction. So what was moved and what says that
it was moved are one record: whatever dies, the next attempt finds exactly the rest. All redrives of a trigger share one
transactional id: a new one ends whatever an earlier one left open before it looks, and an older one that still runs is
refused by the brokers.
"""

import contextlib
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kafkatrigger.api.dead_letters import Letter, Redrive, Redriven, Target, means
from kafkatrigger.api.selection import message_id
from kafkatrigger.kafka import topics
from kafkatrigger.kafka.client import connection
from kafkatrigger.kafka.letters import (
    Headers,
    Mark,
    copied_headers,
    headers_of,
    in_source_order,
    letter,
    mark,
    marked,
)
from kafkatrigger.kafka.reading import PATIENCE, Ranges, Reader

BATCH = 1000
"""Copies of one transaction,"""
BATCH_BYTES = 8 * 1024 * 1024
"""and the bytes that one holds, or one copy that is larger."""

Report = Callable[[str], None]
"""Takes a line about the progress."""

_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}


class RedriveError(Exception):
    """Not everything was moved; the message says why and what to do. What was moved stays moved, once."""


class _TooLargeError(Exception):
    """The topic refuses a record of the transaction for its size; it does not say which."""


class Copy(NamedTuple):
    """A record for the redrive topic."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def redrive(reader: Reader, target: Target, request: Redrive, report: Report) -> Redriven:
    """Moves what is selected and was not moved yet, or counts it; RedriveError, ReadError."""
    if request.dry_run:
        return plan(reader, target, request, report)[0]
    writer = _Writer(target)  # first of all: it ends what an earlier redrive left open
    counts, letters = plan(reader, target, request, report)
    if counts.reordered_keys and not request.allow_reorder:
        raise RedriveError(
            f"{counts.reordered_keys} of {counts.keys} keys have newer messages in the source, which may have run already: "
            "to run their dead letters after those, say --allow-reorder. Nothing was moved"
        )
    if letters:
        partitions = _partitions(reader, target, letters)
        for batch in batches(letters):
            copies = list(_copies(reader, target, batch, request.request, partitions))
            refused = writer.write(copies)
            counts.refused += refused
            counts.unavailable += len(batch) - len(copies)
            counts.moved += len(copies) - refused
            report(f"moved {counts.moved} of {counts.letters}")
    return counts


def plan(reader: Reader, target: Target, request: Redrive, report: Report) -> tuple[Redriven, list[Letter]]:
    """What a redrive moves, counted and in its order."""
    counts = Redriven(request.request)
    report(f"reading {target.redrive_topic} and {target.topic}")
    moved = {which for which, by in marks(reader, target.redrive_topic) if not request.again or by == request.request}
    ranges = until(reader.ranges(target.topic, request.selection.since), request.ends)
    counts.ends = {number: end for number, (_, end) in ranges.items()}
    letters = in_source_order(list(_selected(reader.scan(target.topic, ranges), target, request, moved, counts)))
    lost = _unavailable(reader, [each for each in letters if each.omitted is not None])
    letters = [each for each in letters if each.id not in lost]
    counts.unavailable = len(lost)
    counts.letters = len(letters)
    counts.keys = len(
        {(each.source_topic, each.source_partition, each.key) for each in letters if each.key is not None}
    )
    if request.dry_run or not request.allow_reorder:
        counts.reordered_keys = reordered_keys(reader, target, letters, report)
        counts.reorder_checked = True
    counts.notes = _notes(reader, target)
    return counts, letters


def marks(reader: Reader, redrive_topic: str) -> Iterator[tuple[Mark, str]]:
    """The dead letters that were moved, and by which request; none where there is no such topic."""
    if redrive_topic:
        for message in reader.scan(redrive_topic, reader.ranges(redrive_topic)):
            if found := mark(headers_of(message)):
                yield found


def until(ranges: Ranges, ends: dict[int, int] | None) -> dict[int, tuple[int, int]]:
    """The ranges up to these ends; a partition that they do not name is not meant. Pure."""
    if ends is None:
        return dict(ranges)
    return {number: (start, min(end, ends.get(number, 0))) for number, (start, end) in ranges.items()}


def _selected(
    messages: Iterable[Message], target: Target, request: Redrive, moved: Container[Mark], counts: Redriven
) -> Iterator[Letter]:
    taken = 0
    for message in messages:
        found = letter(message, target.redrive_topic)
        if found is None:
            counts.foreign += 1
        elif not means(request.selection, found):
            continue
        elif (found.id, found.source_id) in moved:
            counts.already += 1
        elif taken == request.limit:
            counts.more = True
        else:
            taken += 1
            # Many are held: without what copying them does not need.
            yield msgspec.structs.replace(found, message="", reason="", error_class="")


def _unavailable(reader: Reader, references: Sequence[Letter]) -> set[str]:
    """Ids of the references whose message the source no longer has."""
    lost = {each.id for each in references}
    for batch in batches(references):
        lost -= _from_source(reader, batch).keys()
    return lost


def reordered_keys(reader: Reader, target: Target, letters: Sequence[Letter], report: Report) -> int:
    """Keys of which the source has messages behind the first of these dead letters that are none of these themselves.

    Where order is kept by partition, a partition counts as one key. Messages without a key have no order.
    """
    by_topic: dict[str, dict[int, _Lanes]] = {}
    for each in letters:
        lane = lane_of(target.ordering, each.key)
        if lane is not None:
            lanes = by_topic.setdefault(each.source_topic, {}).setdefault(each.source_partition, _Lanes())
            lanes.add(lane, each.source_offset)
    for topic, partitions in by_topic.items():
        _find_newer(reader, target, topic, partitions, report)
    return sum(len(lanes.newer) for partitions in by_topic.values() for lanes in partitions.values())


def lane_of(ordering: str, key: bytes | None) -> bytes | None:
    """What a message keeps its order with, in its partition; None where it has no order. Pure."""
    if ordering == "Unordered":
        return None
    return b"" if ordering == "Partition" else key


class _Lanes:
    """The lanes of one source partition: where their first dead letter is, and those with newer messages."""

    def __init__(self) -> None:
        self._first: dict[bytes, int] = {}
        self._letters: set[int] = set()
        self.newer: set[bytes] = set()

    def add(self, lane: bytes, offset: int) -> None:
        self._first[lane] = min(offset, self._first.get(lane, offset))
        self._letters.add(offset)

    @property
    def start(self) -> int:
        return min(self._first.values()) + 1

    @property
    def all_newer(self) -> bool:
        return len(self.newer) == len(self._first)

    def see(self, lane: bytes | None, offset: int) -> None:
        if lane is not None and offset > self._first.get(lane, offset) and offset not in self._letters:
            self.newer.add(lane)


def _find_newer(reader: Reader, target: Target, topic: str, partitions: dict[int, _Lanes], report: Report) -> None:
    ranges = {
        number: (max(start, partitions[number].start), end)
        for number, (start, end) in reader.ranges(topic).items()
        if number in partitions
    }
    count = sum(max(end - start, 0) for start, end in ranges.values())
    report(f"looking for newer messages of the keys among up to {count} of {topic}")
    finished: set[int] = set()
    for message in reader.scan(topic, ranges, finished):
        lanes = partitions[message.partition()]
        lanes.see(lane_of(target.ordering, message.key()), message.offset())
        if lanes.all_newer:
            finished.add(message.partition())


def _notes(reader: Reader, target: Target) -> list[str]:
    """Where copies are kept for a shorter time than the dead letters: they would look as if they were never moved."""
    if not reader.partitions(target.redrive_topic):
        return []
    kept, letters = (_retention(reader, topic) for topic in (target.redrive_topic, target.topic))
    if kept is None or letters is None or kept == -1 or (letters != -1 and kept >= letters):
        return []
    return [
        f"{target.redrive_topic} keeps records for {kept} ms, {target.topic} for {letters} ms: dead letters whose copy is "
        f"gone count as not redriven. Raise retention.ms of {target.redrive_topic}"
    ]


def _retention(reader: Reader, topic: str) -> int | None:
    found = topics.settings(reader.admin, topic).get("retention.ms")
    return None if found is None else int(found)


def _partitions(reader: Reader, target: Target, letters: Sequence[Letter]) -> int:
    """How many partitions the redrive topic has; it is made where it is missing.

    Its copies are kept as long as the dead letters (or they would look as if they were never moved), and it takes what
    the sources take.
    """
    if existing := reader.partitions(target.redrive_topic):
        return len(existing)
    sources = {each.source_topic for each in letters}
    count = max(*(len(reader.partitions(topic)) for topic in sources), *(each.source_partition + 1 for each in letters))
    found = {topic: topics.settings(reader.admin, topic) for topic in (target.topic, *sources)}
    sizes = [int(each["max.message.bytes"]) for each in found.values() if "max.message.bytes" in each]
    wanted = {
        "retention.bytes": "-1",
        **({"retention.ms": value} if (value := found[target.topic].get("retention.ms")) else {}),
        **({"max.message.bytes": str(max(sizes))} if sizes else {}),
    }
    if problem := topics.create(reader.admin, target.redrive_topic, count, wanted):
        raise RedriveError(f"{problem}, with {count} partitions")
    return count


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


def _copies(reader: Reader, target: Target, batch: Sequence[Letter], request: str, partitions: int) -> Iterator[Copy]:
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
    sources = _from_source(reader, [each for each in batch if each.omitted is not None])
    for each in batch:
        partition = each.source_partition % partitions
        if message := letters.get(each.id):
            headers = copied_headers(headers_of(message), each, request)
        elif message := sources.get(each.id):
            headers = marked(headers_of(message), each, request)
        else:
            continue
        yield Copy(partition, message.key(), message.value(), headers)


def _from_source(reader: Reader, references: Sequence[Letter]) -> dict[str, Message]:
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
    return {each.id: message for each, message in pairs if message and message.timestamp()[1] == each.timestamp}


def _within(offsets: dict[int, set[int]], ranges: Ranges) -> dict[int, set[int]]:
    return {
        number: {each for each in places if ranges[number][0] <= each < ranges[number][1]}
        for number, places in offsets.items()
    }


class _Writer:
    """Writes copies, in transactions."""

    def __init__(self, target: Target) -> None:
        self._topic = target.redrive_topic
        self._producer = Producer(
            {
                **connection(target.servers, target.options),
                "transactional.id": target.redrive_topic,
                "transaction.timeout.ms": 60_000,
                "message.timeout.ms": 30_000,
                "linger.ms": 5,
                # The topic decides what is too large.
                "message.max.bytes": 64 * 1024 * 1024,
                "retry.backoff.ms": 10,
            }
        )
        try:
            self._producer.init_transactions(PATIENCE)
        except KafkaException as error:
            raise _given_up(error.args[0]) from None

    def write(self, copies: Sequence[Copy]) -> int:
        """In this order; how many the topic refused as too large. RedriveError where nothing more can be written."""
        try:
            self._transaction(copies)
        except _TooLargeError:
            if len(copies) == 1:
                return 1
            half = len(copies) // 2
            return self.write(copies[:half]) + self.write(copies[half:])
        return 0

    def _transaction(self, copies: Sequence[Copy]) -> None:
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


def _given_up(error: KafkaError) -> Exception:
    if error.code() in _TOO_LARGE:
        return _TooLargeError()
    if error.code() in _FENCED:
        return RedriveError("another redrive of this trigger began and goes on with what is left; this one has ended")
    return RedriveError(
        f"the brokers do not take the copies ({error.str()}): mend that and redrive again, nothing is moved twice"
    )
