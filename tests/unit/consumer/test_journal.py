"""What was handed to the client and is not acknowledged."""

from kafkatrigger.api.frames import Record
from kafkatrigger.consumer.journal import Journal
from kafkatrigger.consumer.offsets import Origin, start
from kafkatrigger.consumer.output import Output, Plain
from kafkatrigger.consumer.partition import Partition

PARTITIONS = [Partition("t", number, 100, Origin("Committed"), start(0)) for number in range(3)]


def _record(index: int, offset: int) -> Record:
    return (index, offset, 0, 1, b"k", b"v", None)


def test_partitions_are_those_whose_messages_are_answered() -> None:
    """A batch names partitions of which it may have no answered message: they must not count as published."""
    journal = Journal()
    journal.add_plain(Plain("out", PARTITIONS[:2], [_record(1, 5), _record(1, 6)], [b"a", b"b"], 10))
    assert journal.partitions() == {PARTITIONS[1]}
    journal.add(Output(PARTITIONS[2], _record(0, 7), "out", b"c", None, [], "succeeded"))
    assert journal.partitions() == {PARTITIONS[1], PARTITIONS[2]}
    assert sorted((each.number, offset) for each, offset in journal.offsets()) == [(1, 5), (1, 6), (2, 7)]
