"""What is written: records that answer messages, one by one or by the batch."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from kafkatrigger.api.frames import Headers, Record
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.sizes import size, sizes

MOST_OVERHEAD = 96
"""Bytes that a record without headers takes at most beside key and value, in a batch of its own."""

_BATCH_HEADER = 61


class Several(msgspec.Struct, eq=False):
    """What the records of a message have in common that is answered by several."""

    sizes: dict[str, int]
    """Of the topics that they go to, in this order: `wire_size` of the largest record there."""
    refused: bool = False
    """One of them was: what is not written of them is not to be."""


class Output(msgspec.Struct, eq=False):
    """A record to write, and the message that it answers."""

    partition: Partition
    source: Record
    topic: str
    value: bytes | None
    key: bytes | None
    headers: Headers
    outcome: str
    """What the message counts as once it is acknowledged; empty but for the last of several records of a message."""
    target: int = -1
    """Partition of the topic; -1 leaves it to the key."""
    timestamp: int = 0
    """Milliseconds since the epoch; 0 is now."""
    awaited: bool = False
    """Somebody was told that it has to wait, and is told of its acknowledgement."""
    several: Several | None = None
    """None for one that answers its message alone."""
    is_first: bool = True
    """Of those of its message."""
    stands_in: bool = False
    """It says that the response to a request was refused."""

    @property
    def size(self) -> int:
        """Bytes that it holds in memory, with its source."""
        return len(self.value or b"") + size(self.source)

    @property
    def wire_size(self) -> int:
        """Bytes of a batch with this record alone, not compressed: what a topic's `max.message.bytes` is compared with.

        The format is that of https://kafka.apache.org/documentation/#recordbatch.
        """
        body = 3 + _field(self.key) + _field(self.value) + _varint(len(self.headers))  # attributes and two deltas of 0
        body += sum([_field(name.encode()) + _field(content) for name, content in self.headers])
        return _BATCH_HEADER + _varint(body) + body

    @property
    def needed(self) -> dict[str, int]:
        """What topics have to take, or the message cannot be answered: `wire_size` of the largest record for each."""
        return {self.topic: self.wire_size} if self.several is None else self.several.sizes

    @property
    def topics(self) -> Iterable[str]:
        """Those that its message goes to."""
        return (self.topic,) if self.several is None else self.several.sizes


def tie(outputs: Sequence[Output]) -> None:
    """These answer one message: all of them, or none."""
    if len(outputs) > 1:
        several = Several({})
        for output in outputs:
            several.sizes[output.topic] = max(output.wire_size, several.sizes.get(output.topic, 0))
            output.several, output.is_first = several, output is outputs[0]


class Plain(msgspec.Struct, eq=False):
    """Responses of the ordinary kind, kept by the batch: record i was answered by value i under its own key."""

    topic: str
    partitions: list[Partition]
    records: list[Record]
    values: list[bytes]
    size: int
    """Bytes that the values and the records hold in memory."""

    def outputs(self) -> Iterator[Output]:
        """The responses one by one."""
        for record, value in zip(self.records, self.values, strict=True):
            yield Output(self.partitions[record[0]], record, self.topic, value, record[4], [], "succeeded")

    def rest(self, start: int) -> "Plain":
        """What is left from an index on, taken away from this one."""
        records, values = self.records[start:], self.values[start:]
        del self.records[start:], self.values[start:]
        left = Plain(self.topic, self.partitions, records, values, sum(map(len, values)) + sizes(records))
        if not self.values:  # what they hold together was an estimate
            left.size = self.size
        self.size -= left.size
        return left


Entry = Plain | Output


def outputs_of(entries: list[Entry]) -> list[Output]:
    """All of them one by one, in their order."""
    return [output for entry in entries for output in (entry.outputs() if isinstance(entry, Plain) else (entry,))]


def offsets_of(entry: Entry) -> Iterator[tuple[Partition, int]]:
    """The messages that it answers."""
    if isinstance(entry, Output):
        yield entry.partition, entry.source[1]
    else:
        for record in entry.records:
            yield entry.partitions[record[0]], record[1]


def live(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Those whose partitions were not given up."""
    for entry in entries:
        if isinstance(entry, Output):
            if not entry.partition.revoked:
                yield entry
        elif any(partition.revoked for partition in entry.partitions):
            yield from (output for output in entry.outputs() if not output.partition.revoked)
        else:
            yield entry


def live_outputs(outputs: Iterable[Output]) -> list[Output]:
    return [output for output in outputs if not output.partition.revoked]


def _field(content: bytes | None) -> int:
    return 1 if content is None else _varint(len(content)) + len(content)


def _varint(number: int) -> int:
    """Bytes of a length or count as Kafka writes it: zigzag, seven bits to the byte."""
    return max(1, ((2 * number).bit_length() + 6) // 7)
