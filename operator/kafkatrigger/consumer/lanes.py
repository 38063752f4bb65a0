"""Keys that wait: for a retry of their first message, and behind one. Pure.

A lane is the order of one key of one partition (or what `ordering` puts in its place). It exists here only while it has
waited for something; the success path never comes by.

When a message fails, later ones of its lane may be under way in batches that were sent before that was known; the worker
answers those NotRun. So a lane runs again only after the last batch sent by then is answered in full (`after`): then all
of the lane is here, and what is taken from it is its beginning.
"""

import heapq
from bisect import insort
from collections.abc import Hashable, Iterator, Sequence
from operator import itemgetter

import msgspec

from kafkatrigger.api.frames import Record
from kafkatrigger.consumer.partition import Partition

LaneId = Hashable

_offset, _headers = itemgetter(1), itemgetter(6)


def size(record: Record) -> int:
    """Bytes that the message holds, for the bound on memory."""
    _, _, _, _, key, value, headers = record
    total = (len(value) if value else 0) + (len(key) if key else 0)
    if headers:
        total += sum([len(name) + len(content or b"") for name, content in headers])
    return total


def sizes(records: Sequence[Record]) -> int:
    """Bytes that the messages hold. Most have a key, a value and no headers, and this is asked for every message."""
    try:
        if not any(map(_headers, records)):
            return sum([len(record[4]) + len(record[5]) for record in records])  # type: ignore[arg-type, misc]
    except TypeError:  # no key, or a tombstone
        pass
    return sum(map(size, records))


class Lane(msgspec.Struct, eq=False):
    """The messages of one key that wait, in offset order, and how many of them run."""

    id: LaneId
    partition: Partition
    due: float
    """When it may run, on the monotonic clock in seconds."""
    after: int = 0
    """The batch that has to be answered before."""
    records: list[Record] = []
    """Each with the number of its next attempt."""
    running: int = 0
    scheduled: float | None = None
    """The due time under which it stands in the heap."""
    queued: bool = False
    """`due` returned it, and `take` was not called yet."""


class Lanes:
    """All lanes that wait."""

    def __init__(self) -> None:
        self._lanes: dict[LaneId, Lane] = {}
        self._heap: list[tuple[float, int, LaneId]] = []
        self._tie = 0
        self.waiting = 0
        """Messages that wait here and do not run."""
        self.bytes = 0
        """That they hold."""

    def __contains__(self, lane_id: LaneId) -> bool:
        return lane_id in self._lanes

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def put(self, lane_id: LaneId, partition: Partition, record: Record, due: float = 0.0, after: int = 0) -> None:
        """The message waits in this lane. The lane runs when the latest demand of any of its messages is met."""
        lane = self._lanes.get(lane_id)
        if lane is None:
            lane = self._lanes[lane_id] = Lane(lane_id, partition, due)
        insort(lane.records, record, key=_offset)
        self.waiting += 1
        self.bytes += size(record)
        lane.after = max(lane.after, after)
        self._schedule(lane, max(lane.due, due))

    def due(self, now: float) -> Iterator[Lane]:
        """The lanes whose time has come and of which nothing runs, earliest first; each is to be given to `take`."""
        while self._heap and self._heap[0][0] <= now:
            when, _, lane_id = heapq.heappop(self._heap)
            lane = self._lanes.get(lane_id)
            if lane is not None and lane.scheduled == when:
                lane.scheduled = None
                lane.queued = True
                yield lane

    def take(self, lane: Lane, count: int, now: float) -> list[Record]:
        """Takes the first messages out to run; none where the lane has become due later, or is gone.

        The lane stays until `finished` has been told of each.
        """
        lane.queued = False
        if self._lanes.get(lane.id) is not lane:
            return []
        if lane.due > now:
            self._schedule(lane, lane.due)
            return []
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
        self.bytes -= sizes(records)

    def _schedule(self, lane: Lane, due: float) -> None:
        lane.due = due
        if not lane.running and not lane.queued and lane.scheduled != due:
            self._tie += 1
            lane.scheduled = due
            heapq.heappush(self._heap, (due, self._tie, lane.id))
