"""The dispatcher: which worker gets what, and what is under way.

Keys hash to slots, a slot belongs to one worker, and a worker runs in sequence: so order per key needs no round trip for
each message, and the success path does no work for each key.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from kafkatrigger.api.frames import Batch, Ordering, Record, Results
from kafkatrigger.consumer.lanes import LaneId, Lanes, size
from kafkatrigger.consumer.partition import Partition

SLOTS = 256
FRAME_RECORDS = 500
FRAME_BYTES = 1024 * 1024

WINDOW_SECONDS = 0.5
"""How much work a worker is given ahead. Enough to keep it busy, little enough to drain and to balance."""

FIRST_WINDOW = 64
SMALLEST_WINDOW = 2
SMOOTHING = 0.3


class Chunk(msgspec.Struct, eq=False):
    """Records of one read for one worker; record[0] is an index into `partitions`."""

    partitions: list[Partition]
    records: list[Record]
    lane: LaneId | None = None
    """The lane that they were taken from, where they come from one."""


class Flight(msgspec.Struct, eq=False):
    """A batch that was sent: `answered` counts from its first record."""

    id: int
    partitions: list[Partition]
    records: list[Record]
    sent: float
    lane: LaneId | None
    answered: int = 0

    @property
    def open_records(self) -> Iterator[Record]:
        return islice(self.records, self.answered, None)


class Worker:
    """A worker's queue and what it has been sent."""

    def __init__(self) -> None:
        self.attached = False
        self.backlog: deque[Chunk] = deque()
        self.flights: deque[Flight] = deque()
        self.in_flight = 0
        self.waiting = 0
        self.seen = 0
        """Last batch of which every answer is here."""
        self.window = FIRST_WINDOW
        self._seconds_each: float | None = None
        self._answered_at = 0.0

    @property
    def held(self) -> int:
        return self.in_flight + self.waiting

    def learn(self, count: int, sent: float, now: float, largest: int) -> None:
        """Adapts the window to how long a message takes."""
        each = (now - max(sent, self._answered_at)) / count
        self._answered_at = now
        known = self._seconds_each
        self._seconds_each = each if known is None else known + SMOOTHING * (each - known)
        target = WINDOW_SECONDS / max(self._seconds_each, 1e-7)
        # At most doubled at a time: one quick answer is no promise.
        self.window = max(SMALLEST_WINDOW, min(int(target), self.window * 2, largest))


class Dispatcher:
    """Batches out, answers in. Sends through `send(worker, batch)`."""

    def __init__(self, ordering: Ordering, max_in_flight: int, lanes: Lanes) -> None:
        self._lanes = lanes
        self._ordering = ordering
        self._max_in_flight = max_in_flight
        self._next_id = 0
        self.workers: list[Worker] = []
        self.bytes = 0
        """Of the values of all messages held."""

    @property
    def held(self) -> int:
        """Messages in flight or in a worker's queue."""
        return sum(worker.held for worker in self.workers)

    @property
    def in_flight(self) -> int:
        """Messages sent and not yet answered."""
        return sum(worker.in_flight for worker in self.workers)

    def attach(self, number: int) -> None:
        """The worker takes batches from now on."""
        while len(self.workers) <= number:
            self.workers.append(Worker())
        self.workers[number].attached = True

    def lane_of(self, partition: Partition, record: Record) -> LaneId:
        """What keeps its order with this message; a message without a key is on its own."""
        if self._ordering == "Key" and record[4] is not None:
            return partition, record[4]
        if self._ordering == "Partition":
            return partition
        return partition, record[1]

    def add(self, partitions: list[Partition], records: Iterable[Record]) -> None:
        """Queues the records of one read at their workers."""
        shards: list[list[Record]] = [[] for _ in self.workers]
        count = len(self.workers)
        if self._ordering == "Key":
            idle = self._idlest()
            for record in records:
                key = record[4]
                shards[idle if key is None else (hash(key) & (SLOTS - 1)) % count].append(record)
        else:
            for record in records:
                shards[self._place(partitions[record[0]])].append(record)
        for number, shard in enumerate(shards):
            if shard:
                self._queue(self.workers[number], Chunk(partitions, shard), first=False)

    def add_lane(self, lane_id: LaneId, partition: Partition, records: list[Record]) -> None:
        """Queues the records of a lane, in front: they have waited already."""
        key = records[0][4]
        keyed = self._ordering == "Key" and key is not None
        number = (hash(key) & (SLOTS - 1)) % len(self.workers) if keyed else self._place(partition)
        chunk = Chunk([partition], [(0, *record[1:]) for record in records], lane_id)
        self._queue(self.workers[number], chunk, first=True)

    def _place(self, partition: Partition) -> int:
        if self._ordering == "Partition":
            return hash((partition.topic, partition.number)) % len(self.workers)
        return self._idlest()

    def _idlest(self) -> int:
        return min(range(len(self.workers)), key=lambda number: self.workers[number].held)

    def _queue(self, worker: Worker, chunk: Chunk, first: bool) -> None:
        (worker.backlog.appendleft if first else worker.backlog.append)(chunk)
        worker.waiting += len(chunk.records)
        self.bytes += sizes(chunk.records)

    def departures(self) -> Iterator[tuple[int, Batch]]:
        """The batches that may be sent now: take them all."""
        for number, worker in enumerate(self.workers):
            while worker.attached and worker.backlog and worker.in_flight < worker.window:
                room = self._max_in_flight - self.in_flight
                if room <= 0:
                    return
                if batch := self._depart(worker, room):
                    yield number, batch

    def _depart(self, worker: Worker, room: int) -> Batch | None:
        chunk = worker.backlog.popleft()
        if self._lanes and chunk.lane is None:
            self._park(worker, chunk)
        records = chunk.records
        if not records:
            return None
        count = min(len(records), FRAME_RECORDS, max(1, worker.window - worker.in_flight), room)
        count = _fitting(records, count)
        if count < len(records):
            worker.backlog.appendleft(Chunk(chunk.partitions, records[count:], chunk.lane))
            records = records[:count]
        self._next_id += 1
        worker.flights.append(Flight(self._next_id, chunk.partitions, records, time.monotonic(), chunk.lane))
        worker.in_flight += count
        worker.waiting -= count
        sources = [(each.topic, each.number) for each in chunk.partitions]
        return Batch(self._next_id, sources, records, chunk.lane is not None, worker.seen)

    def _park(self, worker: Worker, chunk: Chunk) -> None:
        """Messages of a key that waits go to its lane, however long ago they were queued."""
        kept = []
        for record in chunk.records:
            partition = chunk.partitions[record[0]]
            lane_id = self.lane_of(partition, record)
            if lane_id in self._lanes:
                self._lanes.put(lane_id, partition, record, due=0.0)
                worker.waiting -= 1
                self.bytes -= size(record)
            else:
                kept.append(record)
        chunk.records = kept

    def answered(self, number: int, results: Results) -> tuple[Flight, list[Record]]:
        """Which records these are the answers to; ValueError where they are none that were expected."""
        worker = self.workers[number]
        flight = worker.flights[0] if worker.flights else None
        count = len(results.outcomes)
        if flight is None or results.batch != flight.id or results.first != flight.answered or not count:
            raise ValueError(f"worker {number} answered batch {results.batch} from {results.first} out of turn")
        records = flight.records[flight.answered : flight.answered + count]
        flight.answered += count
        worker.in_flight -= len(records)
        self.bytes -= sizes(records)
        if flight.answered >= len(flight.records):
            worker.flights.popleft()
            worker.seen = flight.id
        worker.learn(
            count, flight.sent, time.monotonic(), max(SMALLEST_WINDOW, self._max_in_flight // len(self.workers))
        )
        return flight, records

    def detach(self, number: int) -> list[Flight]:
        """The worker is gone: what it had not answered, oldest first."""
        worker = self.workers[number]
        flights = list(worker.flights)
        worker.attached = False
        worker.flights.clear()
        worker.in_flight = 0
        worker.seen = self._next_id
        worker.window = min(worker.window, FIRST_WINDOW)
        self.bytes -= sum(sizes(flight.open_records) for flight in flights)
        return flights

    def put_back(self, number: int, partitions: list[Partition], records: list[Record]) -> None:
        """Queues records again that a worker did not get to, in front."""
        if records:
            self._queue(self.workers[number], Chunk(partitions, records), first=True)

    def drop_revoked(self) -> None:
        """Forgets what was not sent of partitions that were given up."""
        for worker in self.workers:
            chunks = list(worker.backlog)
            worker.backlog.clear()
            worker.waiting = 0
            self.bytes -= sum(sizes(chunk.records) for chunk in chunks)
            for chunk in chunks:
                kept = [record for record in chunk.records if not chunk.partitions[record[0]].revoked]
                if kept:
                    self._queue(worker, Chunk(chunk.partitions, kept, chunk.lane), first=False)

    def is_running(self, partitions: set[Partition]) -> bool:
        """Whether a worker has messages of one of these partitions."""
        return any(
            flight.partitions[record[0]] in partitions
            for worker in self.workers
            for flight in worker.flights
            for record in flight.open_records
        )

    def open_offsets(self) -> Iterator[tuple[Partition, int]]:
        """The messages that are queued or under way."""
        for worker in self.workers:
            for chunk in worker.backlog:
                for record in chunk.records:
                    yield chunk.partitions[record[0]], record[1]
            for flight in worker.flights:
                for record in flight.open_records:
                    yield flight.partitions[record[0]], record[1]


def sizes(records: Iterable[Record]) -> int:
    """Bytes of the messages' values."""
    return sum(map(size, records))


def _fitting(records: list[Record], count: int) -> int:
    """How many of the first `count` records fit into a frame; at least one."""
    total = 0
    for index in range(count):
        total += size(records[index])
        if total > FRAME_BYTES:
            return max(1, index)
    return count
