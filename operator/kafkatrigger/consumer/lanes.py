"""Keys that wait: for a retry of their first message, and behind one. Pure.

A lane is the order of one key of one partition (or what `ordering` puts in its place). It exists here only while it has
waited for something; the success path never comes by.
"""

import heapq
from bisect import insort
from collections.abc import Hashable, Iterator
from operator import itemgetter

import msgspec

from kafkatrigger.api.frames import Record
from kafkatrigger.consumer.partition import Partition

LaneId = Hashable

_offset = itemgetter(1)


def size(record: Record) -> int:
    """Bytes of the message's value, for the bound on memory."""
    return len(record[5]) if record[5] is not None else 0


class Lane(msgspec.Struct, eq=False):
    """The messages of one key that wait, in offset order, and how many of them run."""

    id: LaneId
    partition: Partition
    due: float
    """When it may run, on the monotonic clock in seconds."""
    records: list[Record] = []
    """Each with the number of its next attempt."""
    running: int = 0
    scheduled: float | None = None
    """The due time under which it stands in the heap."""


class Lanes:
    """All lanes that wait."""

    def __init__(self) -> None:
        self._lanes: dict[LaneId, Lane] = {}
        self._heap: list[tuple[float, int, LaneId]] = []
        self._tie = 0
        self.waiting = 0
        """Messages that wait here and do not run."""
        self.bytes = 0
        """Of their values."""

    def __contains__(self, lane_id: LaneId) -> bool:
        return lane_id in self._lanes

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def put(self, lane_id: LaneId, partition: Partition, record: Record, due: float) -> None:
        """The message waits in this lane. The lane is due at the latest time that any of its messages asks for."""
        lane = self._lanes.get(lane_id)
        if lane is None:
            lane = self._lanes[lane_id] = Lane(lane_id, partition, due)
        insort(lane.records, record, key=_offset)
        self.waiting += 1
        self.bytes += size(record)
        self._schedule(lane, max(lane.due, due))

    def take(self, lane: Lane, count: int) -> list[Record]:
        """Takes the first messages out to run; the lane stays until `finished` has been told of each."""
        taken, lane.records = lane.records[:count], lane.records[count:]
        lane.running += len(taken)
        self._left(taken)
        return taken

    def finished(self, lane_id: LaneId, now: float) -> None:
        """One running message of the lane was answered; one that has to wait again was put back before."""
        lane = self._lanes.get(lane_id)
        if lane is None or not lane.running:
            return
        lane.running -= 1
        if lane.running:
            return
        if lane.records:
            self._schedule(lane, max(lane.due, now))
        else:
            del self._lanes[lane_id]

    def due(self, now: float) -> Iterator[Lane]:
        """The lanes whose time has come and of which nothing runs, earliest first."""
        while self._heap and self._heap[0][0] <= now:
            when, _, lane_id = heapq.heappop(self._heap)
            lane = self._lanes.get(lane_id)
            if lane is None or lane.scheduled != when:
                continue
            lane.scheduled = None
            if not lane.running and lane.records:
                yield lane

    def next_due(self) -> float | None:
        """When to look again; may be early, never late."""
        return self._heap[0][0] if self._heap else None

    def open_offsets(self) -> Iterator[tuple[Partition, int]]:
        """The messages that wait here and do not run."""
        for lane in self._lanes.values():
            for record in lane.records:
                yield lane.partition, record[1]

    def drop_revoked(self) -> None:
        """Forgets the lanes of partitions that were given up."""
        for lane in [lane for lane in self._lanes.values() if lane.partition.revoked]:
            self._left(lane.records)
            del self._lanes[lane.id]

    def _left(self, records: list[Record]) -> None:
        self.waiting -= len(records)
        self.bytes -= sum(map(size, records))

    def _schedule(self, lane: Lane, due: float) -> None:
        lane.due = due
        if not lane.running and lane.scheduled != due:
            self._tie += 1
            lane.scheduled = due
            heapq.heappush(self._heap, (due, self._tie, lane.id))
