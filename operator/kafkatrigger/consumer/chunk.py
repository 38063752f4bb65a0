"""Messages on their way to a worker."""

from collections.abc import Sequence

import msgspec

from kafkatrigger.api.frames import Record
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.sizes import size

FRAME_BYTES = 1024 * 1024


class Chunk(msgspec.Struct, eq=False):
    """Records of one read for one worker; record[0] is an index into `partitions`."""

    partitions: list[Partition]
    records: list[Record]
    size: int
    """Bytes, estimated where it was cut from a larger one; all parts of that together have its size."""
    plain: bool = False
    """None of the records has headers."""

    def cut(self, count: int) -> "Chunk":
        """Takes its first records out."""
        share = self.size * count // max(1, len(self.records))
        part = Chunk(self.partitions, self.records[:count], share, self.plain)
        self.records = self.records[count:]
        self.size -= part.size
        return part

    @property
    def has_lanes(self) -> bool:
        """Whether a lane waits in one of its partitions, perhaps one of its messages."""
        return any(partition.lanes for partition in self.partitions)

    def fitting(self, count: int) -> int:
        """How many of its first `count` records fit into a frame, told by its size where that is enough."""
        return count if self.size <= FRAME_BYTES else fitting(self.records, count)


def fitting(records: Sequence[Record], count: int) -> int:
    """How many of the first `count` records fit into a frame; at least one, if there is one."""
    total = 0
    for index in range(count):
        total += size(records[index])
        if total > FRAME_BYTES:
            return max(1, index)
    return count
