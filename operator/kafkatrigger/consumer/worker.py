"""What the dispatcher knows of a worker: its queues, what it was sent, and how quick it is."""

import math
from collections import Counter, deque
from collections.abc import Iterator

import msgspec

from kafkatrigger.api.frames import Record
from kafkatrigger.consumer.chunk import Chunk
from kafkatrigger.consumer.lanes import Lane
from kafkatrigger.consumer.offsets import PARTITION, LaneId
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.trace_context import Execution

WINDOW_SECONDS = 0.5
"""How much work a worker is given ahead. Enough to keep it busy, little enough to drain and to balance."""

FIRST_WINDOW = 64
PIPELINED = 2
"""A worker is given at least so many times what it takes at a time: the next is there when it is done with one."""

LEARNING_SECONDS = 0.3
"""Of a worker's time that count most for how long a message takes it."""


class Flight(msgspec.Struct, eq=False):
    """A batch that was sent. The records that were answered are None, until all are."""

    id: int
    partitions: list[Partition]
    records: list[Record | None]
    size: int
    plain: bool
    sent: float
    waited: bool
    """Its records were taken from lanes."""
    left: int
    executions: dict[int, Execution] = {}
    """Of the records that are traced, by index."""
    lanes: Counter[tuple[Partition, LaneId]] | None = None
    """How many records of each lane are open, once somebody asked."""

    @property
    def open_records(self) -> Iterator[tuple[int, Record]]:
        """The records that are not answered, with their indexes."""
        return ((index, record) for index, record in enumerate(self.records) if record is not None)


class Worker:
    """A worker's queues and what it has been sent."""

    def __init__(self) -> None:
        self.attached = False
        self.generation = 0
        """Another for every process that it ever was; 0 before the first."""
        self.lanes: deque[Lane] = deque()
        """That may run."""
        self.suspects: deque[list[Lane]] = deque()
        """Groups of which each runs with nothing else under way: so if the worker ends, it is known of which group."""
        self.is_isolated = False
        """What is under way is such a group, or was the last."""
        self.backlog: deque[Chunk] = deque()
        self.flights: dict[int, Flight] = {}
        self.released: list[tuple[Partition, bytes | None]] = []
        """Lanes that the worker holds and that go on with its next batch."""
        self.in_flight = 0
        self.waiting = 0
        self.window = FIRST_WINDOW
        self.least = PIPELINED
        """The smallest window."""
        self.seconds_each = 0.0
        """How long a message takes it, smoothed."""
        self._answered_at = 0.0
        self._busy = 0.0
        """Seconds of work that it has learnt from."""
        self._done = 0.0
        """Messages that this was."""

    @property
    def held(self) -> int:
        return self.in_flight + self.waiting

    @property
    def silent_since(self) -> float | None:
        """Since when it has messages and answered none; None while it has none."""
        oldest = next(iter(self.flights.values()), None)
        return max(oldest.sent, self._answered_at) if oldest else None

    @property
    def load(self) -> tuple[bool, int]:
        """By what workers are compared: one that is not attached comes last."""
        return not self.attached, self.held

    @property
    def open_records(self) -> Iterator[tuple[Flight, Record]]:
        """The records that it has and did not answer."""
        return ((flight, record) for flight in self.flights.values() for _, record in flight.open_records)

    def release(self, lane: Lane) -> None:
        """Its next batch releases the lane, if it is this process that holds it; nobody holds a message alone."""
        if lane.held_by == self.generation and lane.id >= PARTITION:
            self.released.append((lane.partition, lane.key))

    def learn(self, count: int, sent: float, now: float, largest: int) -> float:
        """Adapts the window to how long a message takes, which is returned in seconds."""
        busy = now - max(sent, self._answered_at)
        self._answered_at = now
        # Older work counts less by the time that passed, not by the frame: many that are read at once are one piece of news.
        kept = math.exp(-busy / LEARNING_SECONDS)
        self._busy = self._busy * kept + busy
        self._done = self._done * kept + count
        self.seconds_each = self._busy / self._done
        target = WINDOW_SECONDS / max(self.seconds_each, 1e-7)
        # At most doubled at a time: one quick answer is no promise.
        self.window = min(max(self.least, min(int(target), self.window * 2)), largest)
        return busy / count
