"""Lanes that wait: for a retry of their first message, for a decision of somebody, or for a topic that refuses writes.

A lane is the order of one key of one partition (or what `ordering` puts in its place). It exists here only while it waits
for something; the success path never comes by.

When a message fails, later ones of its lane may be under way in batches that were sent before that was known; the worker
answers those NotRun. A lane runs again only when all of them have come back (`running`): then what is taken from it is its
beginning. What of a lane does not fit into memory, and all of one that is blocked, stays in the log: from the offset
`spilled` on it is read again when the lane goes on (see `rereading`).
"""

import heapq
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator
from operator import itemgetter

import msgspec

from kafkatrigger.api.control import Action
from kafkatrigger.api.frames import Failed, Outcome, Record
from kafkatrigger.consumer.offsets import RETRYING, STOPPED, LaneId, Parked, State
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.sizes import size, sizes

_offset = itemgetter(1)

MOST_PARKED = 120
"""Lanes of a partition that a commit's metadata surely has room for."""

REREAD = 200
"""Messages of one lane that are read again at a time."""


class Lane(msgspec.Struct, eq=False):
    """One lane that waits. Its messages are `taken`, then `records`, then what is `spilled`, in offset order."""

    id: LaneId
    partition: Partition
    key: bytes | None = None
    taken: list[Record] = []
    """That run."""
    records: list[Record] = []
    """That wait in memory, each with the number of its next attempt."""
    spilled: int | None = None
    """From this offset on its messages are outside memory."""
    running: int = 0
    """Messages of it that were under way when it failed, and were not answered since."""
    due: float = 0.0
    """When it may run, on the monotonic clock in seconds."""
    commits: int = 0
    """The commit of its partition that has to be acknowledged before: it tells of the attempts used up."""
    state: State = RETRYING
    stopped_at: int = 0
    """Offset of the message about which somebody has to decide. Earlier ones may still be open after a restart."""
    tried: dict[int, int] = {}
    """Attempts used up by messages outside memory, by offset: the log knows nothing of them."""
    restored_until: int = 0
    """For a lane that a commit told of: its messages from here on are not covered by that."""
    held: int = 0
    """Records of it that a topic does not take."""
    answers: list[tuple[Record, Outcome]] = []
    """That came while records were held: they are dealt with behind those."""
    held_by: int = 0
    """The worker process that answers its messages NotRun until it is told that the lane goes on; 0 for none."""
    failure: Failed | None = None
    """Of its first message, when it blocked."""
    failed: Record | None = None
    """That message without its value and headers; None where it failed before this assignment."""
    blocked_at: float = 0.0
    """Seconds since the epoch."""
    waiting: int = 0
    """Messages that came by since it blocked."""
    decision: Action | None = None
    """About the message at which it stopped, once that is read again."""
    spent: int = 0
    """Attempts which that message had used up when somebody decided. Not committed: with `retry` it has all of them again."""
    deaths: int = 0
    """Of the whole runtime while its first message alone was under way."""
    quarantined: bool = False
    """Its first message runs in a group of suspects."""
    scheduled: float | None = None
    """The due time under which it stands in the heap."""
    queued: bool = False
    """A worker's queue has it."""
    size: int = 0
    """Bytes of `records`."""

    @property
    def first(self) -> int | None:
        """The offset of its first message; None where it is not known to have one."""
        candidates = [each[1] for each in (*self.taken[:1], *self.records[:1])]
        candidates += [record[1] for record, _ in self.answers[:1]]
        if self.spilled is not None:
            candidates.append(self.spilled)
        return min(candidates, default=None)

    def remember(self, offset: int, attempts: int) -> None:
        """The message is outside memory, and has used up so many attempts."""
        if attempts:
            self.tried[offset] = attempts

    @property
    def is_over(self) -> bool:
        """Whether nothing of it waits or runs any more."""
        return not (self.taken or self.records or self.running or self.held or self.answers) and self.spilled is None

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing of it is under way, and nobody has to decide about it."""
        return self.state == RETRYING and not (
            self.taken or self.running or self.held or self.answers or self.queued or self.quarantined
        )

    @property
    def can_run(self) -> bool:
        """Whether nothing but time and a commit keeps its messages from running."""
        return bool(self.records) and self.is_at_rest

    def parked(self, until: int) -> Parked | None:
        """What a commit says of it, None for nothing. Where messages were read up to `until`, all of its messages up to there
        are open.
        """
        first, until = self.first, max(until, self.restored_until)
        if first is None or first >= until:  # what it may have outside memory was not read yet
            return None
        offset, attempts = self._tried_first(first)
        return Parked(self.id, offset, until, attempts, self.state, None if offset == first else first)

    def _tried_first(self, first: int) -> tuple[int, int]:
        """The offset of the message that a commit names, and the attempts that it has used up."""
        if self.state != RETRYING:
            return self.stopped_at, self.tried.get(self.stopped_at, 0)
        tried = [(each[1], each[3] - 1) for each in (*self.taken, *self.records) if each[3] > 1]
        return min([*tried, *self.tried.items()], default=(first, 0))


class Lanes:
    """All lanes that wait.

    They may hold so many bytes and messages; what is more stays in the log. `over` is told of a lane that ended, and
    `spilled` of one that has messages outside memory from now on.
    """

    def __init__(self, memory: int, most: int) -> None:
        self._memory = memory
        self._most = most
        self.over: Callable[[Lane], None] = _nobody
        self.spilled: Callable[[Lane], None] = _nobody
        self._heap: list[tuple[float, int, Lane]] = []
        self._tie = 0
        self._uncommitted: set[Lane] = set()
        self._all: set[Lane] = set()
        self.outside: set[Lane] = set()
        """Lanes that would go on if their messages were in memory."""
        self.blocked: set[Lane] = set()
        """Lanes that wait for a decision of somebody."""
        self.stopped: set[Lane] = set()
        """Lanes at which the trigger stopped, apart from those: each turn of the loop asks for them."""
        self.foremost: set[Lane] = set()
        """Lanes whose first message runs before all else: those of a stop that has ended."""
        self.ready: deque[Lane] = deque()
        """Lanes that may run now; to be taken from the left."""
        self.waiting = 0
        """Messages in memory that wait here and do not run."""
        self.bytes = 0
        """That they hold."""

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._all))

    def open(self, partition: Partition, lane_id: LaneId, key: bytes | None) -> Lane:
        """The lane, which begins to wait if it did not."""
        lane = partition.lanes.get(lane_id)
        if lane is None:
            lane = partition.lanes[lane_id] = Lane(lane_id, partition, key)
            self._all.add(lane)
        lane.key = key if lane.key is None else lane.key
        return lane

    def restore(self, partition: Partition) -> None:
        """The lanes that a commit told of: all of their messages are outside memory."""
        for parked in partition.restored.parked:
            lane = self.open(partition, parked.lane, None)
            lane.spilled, lane.state, lane.stopped_at = parked.first, parked.state, parked.offset
            lane.remember(parked.offset, parked.attempts)
            lane.restored_until = parked.until
            if lane.state != RETRYING:
                self._waiting_for_somebody(lane).add(lane)
            if parked.lane in partition.resumed:
                self.foremost.add(lane)
            self.consider(lane)

    def read_again(self, lane: Lane, record: Record) -> bool:
        """A message of the lane that was outside memory; whether more of it may follow."""
        lane.records.append(record)
        lane.spilled = record[1] + 1
        self._came(lane, record)
        return len(lane.records) < REREAD and not self.is_full

    def caught_up(self, lane: Lane) -> None:
        """Nothing of the lane is outside memory any more, but what a commit told of and nobody has come by again."""
        end = lane.partition.end
        lane.spilled = end if end < lane.restored_until else None
        self.leave_outside(lane)

    def leave_outside(self, lane: Lane) -> None:
        """The lane has messages in memory, as many as it needs for now, or none are left."""
        self.outside.discard(lane)
        self.consider(lane)

    def put(self, lane: Lane, record: Record) -> None:
        """The message waits in its lane."""
        if lane.spilled is not None and record[1] >= lane.spilled:
            lane.remember(record[1], record[3] - 1)
            lane.waiting += 1
            return
        insort(lane.records, record, key=_offset)
        self._came(lane, record)
        if lane.state != RETRYING or self.is_full:
            self._spill(lane)

    @property
    def is_one_first(self) -> bool:
        """Whether a lane goes before all else, whose first message was read before, so that it can be had."""
        return any(lane.spilled is None or lane.spilled < lane.partition.end for lane in self.foremost)

    @property
    def is_full(self) -> bool:
        """Whether what waits here takes all the memory that it may."""
        return self.bytes > self._memory or self.waiting > self._most

    def _spill(self, lane: Lane) -> None:
        """Drops what of the lane need not be in memory: all of a blocked one, else all but the first message."""
        kept = 0 if lane.state != RETRYING else 1
        dropped = lane.records[kept:]
        if dropped:
            for record in dropped:
                lane.remember(record[1], record[3] - 1)
            lane.spilled = dropped[0][1]
            lane.waiting += len(dropped)
            del lane.records[kept:]
            self._count(lane, -len(dropped), -sizes(dropped))
            self.spilled(lane)

    def wait(self, lane: Lane, due: float, commits: int) -> None:
        """The lane does not run before this time and the acknowledgement of this commit of its partition."""
        lane.due = max(lane.due, due)
        lane.commits = max(lane.commits, commits)

    def block(self, lane: Lane, record: Record, failure: Failed, state: State, now: float) -> None:
        """The lane stops at this message until somebody decides."""
        lane.state, lane.failure, lane.blocked_at = state, failure, now
        lane.stopped_at, lane.failed = record[1], (*record[:5], None, None)
        self._waiting_for_somebody(lane).add(lane)
        self.outside.discard(lane)  # one that a commit told of may have waited for being read again
        insort(lane.records, record, key=_offset)
        self._came(lane, record)
        self._spill(lane)
        lane.remember(record[1], record[3])
        lane.waiting -= 1  # itself

    def unblock(self, lane: Lane, decision: Action) -> None:
        """Somebody decided about its first message: the lane goes on."""
        self._waiting_for_somebody(lane).discard(lane)
        if lane.state == STOPPED:
            self.foremost.add(lane)
        lane.spent = lane.tried.pop(lane.stopped_at, 0)
        lane.state, lane.decision, lane.waiting = RETRYING, decision, 0
        lane.due = 0.0
        self.consider(lane)

    def take(self, lane: Lane, count: int) -> list[Record]:
        """Takes its first messages out to run; none where it may not run any more. `answered` is to be told of each."""
        lane.queued = False
        if lane.partition.revoked:
            return []
        if not lane.can_run:
            self.consider(lane)  # what it waits for may have come while it was queued
            return []
        return self.take_quarantined(lane, count)

    def take_quarantined(self, lane: Lane, count: int = 1) -> list[Record]:
        """The same for a lane in quarantine."""
        taken, lane.records = lane.records[:count], lane.records[count:]
        lane.taken = taken[:]
        self._count(lane, -len(taken), -sizes(taken))
        return taken

    def answered(self, lane: Lane, record: Record) -> None:
        """A message of the lane was answered; one that has to wait again is `put` back besides."""
        self.foremost.discard(lane)
        if any(each is record for each in lane.taken):
            lane.taken = [each for each in lane.taken if each is not record]
        else:
            lane.running -= 1

    def consider(self, lane: Lane) -> None:
        """Something about the lane changed: it may be over, or become ready, or know what it waits for."""
        if lane.is_over:
            self._end(lane)
        elif lane.can_run:
            self._schedule(lane)
        elif lane.is_at_rest:
            self.outside.add(lane)

    def committed(self) -> None:
        """Commits were acknowledged."""
        if self._uncommitted:
            lanes, self._uncommitted = self._uncommitted, set()
            for lane in lanes:
                self.consider(lane)

    def tick(self, now: float) -> None:
        """Moves the lanes whose time has come to `ready`."""
        while self._heap and self._heap[0][0] <= now:
            when, _, lane = heapq.heappop(self._heap)
            if lane.scheduled == when:
                lane.scheduled = None
                if lane.can_run and not lane.partition.revoked:
                    lane.queued = True
                    self.ready.append(lane)

    def next_due(self) -> float | None:
        """When to look again; may be early, never late."""
        return self._heap[0][0] if self._heap else None

    @property
    def needs_commit(self) -> bool:
        """Whether a lane waits for nothing but a commit."""
        return bool(self._uncommitted)

    def drop_revoked(self) -> None:
        """Forgets the lanes of partitions that were given up."""
        for lane in [lane for lane in self._all if lane.partition.revoked]:
            self._count(lane, -len(lane.records), -lane.size)
            self._forget(lane)
            lane.scheduled = None

    def _schedule(self, lane: Lane) -> None:
        if lane.partition.commits_done < lane.commits:
            self._uncommitted.add(lane)
        elif lane.scheduled != lane.due:
            self._tie += 1
            lane.scheduled = lane.due
            heapq.heappush(self._heap, (lane.due, self._tie, lane))

    def _end(self, lane: Lane) -> None:
        if lane.partition.lanes.get(lane.id) is lane:
            del lane.partition.lanes[lane.id]
            self._forget(lane)
            self.over(lane)

    def _forget(self, lane: Lane) -> None:
        self._all.discard(lane)
        self.blocked.discard(lane)
        self.stopped.discard(lane)
        self.foremost.discard(lane)
        self._uncommitted.discard(lane)
        self.outside.discard(lane)

    def _waiting_for_somebody(self, lane: Lane) -> set[Lane]:
        return self.stopped if lane.state == STOPPED else self.blocked

    def _came(self, lane: Lane, record: Record) -> None:
        """A message of the lane is in memory. One that a commit told of gets to know its key by it, which its worker is told
        when it goes on.
        """
        if lane.id >= 0:  # of a lane that is no key, the worker knows no key either
            lane.key = record[4]
        self._count(lane, 1, size(record))

    def _count(self, lane: Lane, messages: int, size: int) -> None:
        self.waiting += messages
        self.bytes += size
        lane.size += size


def _nobody(_: Lane) -> None:
    """Until somebody listens."""
