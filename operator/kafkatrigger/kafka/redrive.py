"""Redrive: dead letters are copied to a topic that their trigger alone reads, each once.

A copy names the dead letter that it was made of, and is written in a transaction. So what was moved and what says that
it was moved are one record: whatever dies, the next attempt finds exactly the rest. All redrives of a trigger share one
transactional id: a new one ends whatever an earlier one left open before it looks, and an older one that still runs is
refused by the brokers.
"""

from collections.abc import Container, Iterable, Iterator, Sequence

import msgspec
from confluent_kafka import Message

from kafkatrigger.api.dead_letters import Letter, Redrive, Redriven, Target, means
from kafkatrigger.kafka import topics
from kafkatrigger.kafka.copies import RedriveError, Writer, batches, copies_of, from_source, size_of
from kafkatrigger.kafka.letters import Mark, headers_of, in_source_order, letter, mark
from kafkatrigger.kafka.reading import Ranges, Reader
from kafkatrigger.kafka.reorder import Report, reordered_keys

UNKNOWN_LARGEST = 1_000_000
"""Bytes of a record where the broker does not tell: a little less than a topic takes that nobody set up otherwise."""
HEADERS = 64 * 1024
"""Bytes that a topic for copies takes beyond what its sources take."""


def redrive(reader: Reader, target: Target, request: Redrive, report: Report) -> Redriven:
    """Moves what is selected and was not moved yet, or counts it; RedriveError, ReadError."""
    if request.dry_run:
        return plan(reader, target, request, report)[0]
    writer = Writer(target, largest_record(reader, target))  # first: it ends what an earlier redrive left open
    counts, letters = plan(reader, target, request, report)
    if counts.reordered_keys and not request.allow_reorder:
        raise RedriveError(
            f"{counts.reordered_keys} of {counts.keys} keys have newer messages in the source, which may have run already: "
            "to run their dead letters after those, say --allow-reorder. Nothing was moved"
        )
    if letters:
        _move(reader, target, letters, counts, writer, report)
    return counts


def _move(
    reader: Reader, target: Target, letters: Sequence[Letter], counts: Redriven, writer: Writer, report: Report
) -> None:
    partitions = _partitions(reader, target, letters)
    largest = largest_record(reader, target)
    for batch in batches(letters):
        copies = list(copies_of(reader, target, batch, counts.request, partitions))
        small = [copy for copy in copies if size_of(copy) <= largest]
        writer.write(small)
        counts.moved += len(small)
        counts.refused += len(copies) - len(small)
        counts.unavailable += len(batch) - len(copies)
        report(f"moved {counts.moved} of {counts.letters}")


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
        lost -= from_source(reader, batch).keys()
    return lost


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


def largest_record(reader: Reader, target: Target) -> int:
    """Bytes that a record of the redrive topic may have, or while it is missing one of the dead-letter topic."""
    topic = target.redrive_topic if reader.partitions(target.redrive_topic) else target.topic
    return int(topics.settings(reader.admin, topic).get("max.message.bytes", UNKNOWN_LARGEST))


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
        **({"max.message.bytes": str(max(sizes) + HEADERS)} if sizes else {}),
    }
    if problem := topics.create(reader.admin, target.redrive_topic, count, wanted):
        raise RedriveError(f"{problem}, with {count} partitions")
    return count
