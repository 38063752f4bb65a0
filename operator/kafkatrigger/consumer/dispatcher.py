"""The dispatcher: which worker gets what, and what is under way.

Keys hash to slots, a slot belongs to one worker, and a worker runs in sequence: so order per key needs no round trip for
each message, and the success path does no work for each key.
"""

import heapq
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from kafkatrigger.api.frames import Batch, Ordering, Record, Results
from kafkatrigger.consumer.lanes import Lane, LaneId, Lanes, size, sizes
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


class Flight(msgspec.Struct, eq=False):
    """A batch that was sent: `answered` counts from its first record."""

    id: int
    partitions: list[Partition]
    records: list[Record]
    sent: float
    waited: bool
    """Its records were taken from lanes."""
    answered: int = 0

    @property
    def open_records(self) -> Iterator[Record]:
        return islice(self.records, self.answered, None)


class OutOfTurnError(Exception):
    """A worker answered what it was not asked."""


class Worker:
    """A worker's queues and what it has been sent."""

    def __init__(self) -> None:
        self.attached = False
        self.lanes: list[tuple[int, int, Lane]] = []
        """Lanes that are due, as a heap by the batch that has to be answered before."""
        self.backlog: deque[Chunk] = deque()
        self.flights: deque[Flight] = deque()
        self.in_flight = 0
        self.waiting = 0
        self.window = FIRST_WINDOW
        self._seconds_each: float | None = None
        self._answered_at = 0.0

    def has_answered(self, batch: int) -> bool:
        """Whether every answer to this batch is here; batches of other workers do not matter to it."""
        return not self.flights or self.flights[0].id > batch

    @property
    def held(self) -> int:
        return self.in_flight + self.waiting

    @property
    def load(self) -> tuple[bool, int]:
        """By what workers are compared: one that is not attached comes last."""
        return not self.attached, self.held

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
        self._tie = 0
        self.workers: list[Worker] = []
        self.bytes = 0
        """Of all messages held."""

    @property
    def held(self) -> int:
        """Messages in flight or in a worker's queue."""
        return sum(worker.held for worker in self.workers)

    @property
    def in_flight(self) -> int:
        """Messages sent and not yet answered."""
        return sum(worker.in_flight for worker in self.workers)

    def resize(self, count: int) -> None:
        """There are this many workers from now on, none of them attached: what waits finds its place anew."""
        workers, self.workers = self.workers, [Worker() for _ in range(count)]
        for worker in workers:
            self.bytes -= sum(sizes(chunk.records) for chunk in worker.backlog)
            for _, _, lane in worker.lanes:
                self._queue_lane(lane)
            for chunk in worker.backlog:
                self.add(chunk.partitions, chunk.records)

    def attach(self, number: int) -> None:
        """The worker takes batches from now on."""
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

    def queue_lanes(self, now: float) -> None:
        """Takes note of the lanes that are due."""
        for lane in self._lanes.due(now):
            self._queue_lane(lane)

    def _queue_lane(self, lane: Lane) -> None:
        """A lane runs where its messages always ran."""
        key = lane.records[0][4] if lane.records else None
        keyed = self._ordering == "Key" and key is not None
        number = (hash(key) & (SLOTS - 1)) % len(self.workers) if keyed else self._place(lane.partition)
        self._tie += 1
        heapq.heappush(self.workers[number].lanes, (lane.after, self._tie, lane))

    def _place(self, partition: Partition) -> int:
        if self._ordering == "Partition":
            return hash((partition.topic, partition.number)) % len(self.workers)
        return self._idlest()

    def _idlest(self) -> int:
        return min(range(len(self.workers)), key=lambda number: self.workers[number].load)

    def _queue(self, worker: Worker, chunk: Chunk, first: bool) -> None:
        (worker.backlog.appendleft if first else worker.backlog.append)(chunk)
        worker.waiting += len(chunk.records)
        self.bytes += sizes(chunk.records)

    def departures(self, now: float) -> Iterator[tuple[int, Batch]]:
        """The batches that may be sent now: take them all. What has waited in lanes goes first."""
        for number, worker in enumerate(self.workers):
            while worker.attached and worker.in_flight < worker.window:
                room = min(FRAME_RECORDS, worker.window - worker.in_flight, self._max_in_flight - self.in_flight)
                if room <= 0:
                    return
                if worker.lanes and worker.has_answered(worker.lanes[0][0]):
                    chunk, waited = self._take_lanes(worker, room, now), True
                elif worker.backlog:
                    chunk, waited = self._take_backlog(worker, room), False
                else:
                    break
                if chunk.records:
                    yield number, self._depart(worker, chunk, waited)

    def _take_lanes(self, worker: Worker, room: int, now: float) -> Chunk:
        """The beginnings of as many lanes as fit."""
        indexes: dict[Partition, int] = {}
        records: list[Record] = []
        total = 0
        while worker.lanes and worker.has_answered(worker.lanes[0][0]) and len(records) < room and total < FRAME_BYTES:
            lane = heapq.heappop(worker.lanes)[2]
            if not worker.has_answered(lane.after):  # more of it was answered since it was queued
                self._queue_lane(lane)
                continue
            count = _fitting(lane.records, min(room - len(records), len(lane.records)))
            taken = self._lanes.take(lane, count, now)
            index = indexes.setdefault(lane.partition, len(indexes))
            records += [(index, *record[1:]) for record in taken]
            total += sizes(taken)
        self.bytes += total
        worker.waiting += len(records)
        return Chunk(list(indexes), records)

    def _take_backlog(self, worker: Worker, room: int) -> Chunk:
        chunk = worker.backlog.popleft()
        if self._lanes:
            self._park(worker, chunk)
        count = _fitting(chunk.records, min(room, len(chunk.records)))
        if count < len(chunk.records):
            worker.backlog.appendleft(Chunk(chunk.partitions, chunk.records[count:]))
        return Chunk(chunk.partitions, chunk.records[:count])

    def _depart(self, worker: Worker, chunk: Chunk, waited: bool) -> Batch:
        self._next_id += 1
        seen = worker.flights[0].id - 1 if worker.flights else self._next_id - 1
        worker.flights.append(Flight(self._next_id, chunk.partitions, chunk.records, time.monotonic(), waited))
        worker.in_flight += len(chunk.records)
        worker.waiting -= len(chunk.records)
        sources = [(each.topic, each.number) for each in chunk.partitions]
        return Batch(self._next_id, sources, chunk.records, seen)

    def last_sent(self, number: int) -> int:
        """The latest batch that this worker still has to answer."""
        flights = self.workers[number].flights
        return flights[-1].id if flights else 0

    def _park(self, worker: Worker, chunk: Chunk) -> None:
        """Messages of a key that waits go to its lane, however long ago they were queued."""
        kept = []
        for record in chunk.records:
            partition = chunk.partitions[record[0]]
            lane_id = self.lane_of(partition, record)
            if lane_id in self._lanes:
                self._lanes.put(lane_id, partition, record)
                worker.waiting -= 1
                self.bytes -= size(record)
            else:
                kept.append(record)
        chunk.records = kept

    def answered(self, number: int, results: Results) -> tuple[Flight, list[Record]]:
        """Which records these are the answers to; OutOfTurnError, with nothing changed, where none of these were expected."""
        worker = self.workers[number]
        flight = worker.flights[0] if worker.flights else None
        count = len(results.outcomes)
        if flight is None or (results.batch, results.first) != (flight.id, flight.answered) or not count:
            raise OutOfTurnError(f"worker {number} answered batch {results.batch} from {results.first} out of turn")
        records = flight.records[flight.answered : flight.answered + count]
        if len(records) != count:
            raise OutOfTurnError(f"worker {number} answered more of batch {results.batch} than there is")
        flight.answered += count
        worker.in_flight -= count
        self.bytes -= sizes(records)
        if flight.answered == len(flight.records):
            worker.flights.popleft()
        largest = max(SMALLEST_WINDOW, self._max_in_flight // len(self.workers))
        worker.learn(count, flight.sent, time.monotonic(), largest)
        return flight, records

    def detach(self, number: int) -> list[Flight]:
        """The worker is gone: what it had not answered, oldest first."""
        worker = self.workers[number]
        flights = list(worker.flights)
        worker.attached = False
        worker.flights.clear()
        worker.in_flight = 0
        worker.window = min(worker.window, FIRST_WINDOW)
        self.bytes -= sum(sizes(list(flight.open_records)) for flight in flights)
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
                    self._queue(worker, Chunk(chunk.partitions, kept), first=False)

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


def _fitting(records: list[Record], count: int) -> int:
    """How many of the first `count` records fit into a frame; at least one."""
    if sizes(records[:count]) <= FRAME_BYTES:
        return count
    total = 0
    for index in range(count):
        total += size(records[index])
        if total > FRAME_BYTES:
            return max(1, index)
    return count
