"""Which keys a redrive would run out of order: those with messages behind their dead letters in the source."""

from collections.abc import Callable, Sequence

from kafkatrigger.api.dead_letters import Letter, Target
from kafkatrigger.kafka.reading import Reader

Report = Callable[[str], None]
"""Takes a line about the progress."""


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
