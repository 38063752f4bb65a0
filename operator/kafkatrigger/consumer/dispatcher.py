"""The dispatcher: which worker gets what, and what is under way.

Keys hash to slots, a slot belongs to one worker, and a worker keeps the order of what it gets: so order per key needs no
round trip for each message, and the success path does no work for each key.
"""

import itertools
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence

from kafkatrigger.api.frames import Batch, Ordering, Record, Results
from kafkatrigger.consumer.chunk import FRAME_BYTES, Chunk, fitting
from kafkatrigger.consumer.histogram import Histogram
from kafkatrigger.consumer.lanes import Lane, Lanes
from kafkatrigger.consumer.offsets import PARTITION, LaneId, lane_of
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.sizes import sizes
from kafkatrigger.consumer.trace_context import Execution
from kafkatrigger.consumer.tracing import Tracing
from kafkatrigger.consumer.worker import FIRST_WINDOW, PIPELINED, Flight, Worker

SLOTS = 256
FRAME_RECORDS = 500

_generations = itertools.count(1)


class OutOfTurnError(Exception):
    """A worker answered what it was not asked."""


class Dispatcher:
    """Batches out, answers in."""

    def __init__(self, ordering: Ordering, max_in_flight: int, lanes: Lanes, tracing: Tracing | None = None) -> None:
        self._lanes = lanes
        self._tracing = tracing
        lanes.over, lanes.spilled = self._release, self._forget_spilled
        self._ordering = ordering
        self._max_in_flight = max_in_flight
        self._next_id = 0
        self.workers: list[Worker] = []
        self._solitary: deque[list[Lane]] = deque()
        """Groups of which each runs with nothing else under way at any worker."""
        self.is_solitary = False
        """What is under way is such a group: if the whole runtime ends, it was one of it."""
        self.bytes = 0
        """Of all messages held."""
        self.execution = Histogram()
        """Seconds of a worker's time for each message."""

    @property
    def held(self) -> int:
        """Messages in flight or in a worker's queue."""
        return sum(worker.held for worker in self.workers)

    @property
    def in_flight(self) -> int:
        """Messages sent and not yet answered."""
        return sum(worker.in_flight for worker in self.workers)

    @property
    def is_concurrent(self) -> bool:
        """Whether workers run several messages at a time."""
        return any(worker.least > PIPELINED for worker in self.workers)

    def lane_of(self, record: Record) -> LaneId:
        """The lane of a message within its partition."""
        return lane_of(self._ordering, record[4], record[1])

    def open_lane(self, partition: Partition, record: Record) -> Lane:
        """The lane of a message, which begins to wait if it did not."""
        return self._lanes.open(partition, self.lane_of(record), record[4] if self._ordering == "Key" else None)

    # Workers come and go

    def resize(self, count: int) -> None:
        """There are this many workers from now on, none of them attached: what waits finds its place anew."""
        workers, self.workers = self.workers, [Worker() for _ in range(count)]
        for worker in workers:
            self._queue_suspects(list(worker.suspects))
            for lane in worker.lanes:
                self._queue_lane(lane)
            for chunk in worker.backlog:
                self.bytes -= chunk.size
                self.add(chunk)

    def attach(self, number: int, concurrency: int = 1) -> None:
        """The worker takes batches from now on, and so many of their messages at a time."""
        worker = self.workers[number]
        worker.least = PIPELINED * concurrency
        worker.window = max(worker.window, worker.least)
        worker.attached, worker.generation = True, next(_generations)

    def detach(self, number: int) -> list[Flight]:
        """The worker is gone: what it had not answered, oldest first."""
        worker = self.workers[number]
        flights = list(worker.flights.values())
        worker.attached = False
        worker.flights.clear()
        worker.released.clear()
        worker.in_flight = 0
        worker.window = min(worker.window, FIRST_WINDOW)
        self.bytes -= sum(flight.size for flight in flights)
        return flights

    # Queues

    def add(self, chunk: Chunk) -> None:
        """Queues the records of one read at their workers.

        What a commit covered of a lane goes there at once: the lane goes on as soon as all of that was read, and what comes
        before its first message has to be in it by then. Others may have older ones before them in a queue.
        """
        if chunk.has_lanes:
            self._park(chunk, covered=True)
        count = len(self.workers)
        if count == 1:
            self._queue(self.workers[0], chunk)
            return
        shards = self._shards(chunk)
        rest = Chunk(chunk.partitions, chunk.records, chunk.size, chunk.plain)
        for number, shard in enumerate(shards):
            if shard:
                share = rest.size * len(shard) // max(1, len(rest.records))
                self._queue(self.workers[number], Chunk(chunk.partitions, shard, share, chunk.plain))
                rest.size -= share
                rest.records = rest.records[len(shard) :]

    def _shards(self, chunk: Chunk) -> list[list[Record]]:
        shards: list[list[Record]] = [[] for _ in self.workers]
        if self._ordering != "Key":
            for record in chunk.records:
                shards[self._place(chunk.partitions[record[0]])].append(record)
            return shards
        idle, slots = self._idlest(), [shards[slot % len(shards)].append for slot in range(SLOTS)]
        for record in chunk.records:
            key = record[4]
            if key is None:
                shards[idle].append(record)
            else:
                slots[hash(key) & (SLOTS - 1)](record)
        return shards

    def _queue(self, worker: Worker, chunk: Chunk, first: bool = False) -> None:
        (worker.backlog.appendleft if first else worker.backlog.append)(chunk)
        worker.waiting += len(chunk.records)
        self.bytes += chunk.size

    def put_back(self, number: int, partitions: list[Partition], records: list[Record]) -> None:
        """Queues records again that a worker did not get to, in front."""
        if records:
            self._queue(self.workers[number], Chunk(partitions, records, sizes(records)), first=True)

    def queue_lanes(self) -> None:
        """Takes over the lanes that may run."""
        while self._lanes.ready:
            self._queue_lane(self._lanes.ready.popleft())

    def _queue_lane(self, lane: Lane) -> None:
        self.workers[self._home(lane)].lanes.append(lane)

    def suspect_of_all(self, groups: Sequence[Sequence[Lane]]) -> None:
        """The same, with nothing else at any worker: one of them may have ended the whole runtime."""
        self._solitary.extend(list(group) for group in groups if group)

    def suspect(self, groups: Sequence[Sequence[Lane]]) -> None:
        """The first messages of these lanes are to run by the group, with nothing else at their worker."""
        self._queue_suspects([list(group) for group in groups if group])

    def _queue_suspects(self, groups: Sequence[list[Lane]]) -> None:
        for group in groups:
            self.workers[self._home(group[0])].suspects.append(group)

    def _home(self, lane: Lane) -> int:
        """A lane runs where its messages always ran."""
        key = lane.records[0][4] if lane.records else lane.key
        if self._ordering == "Key" and key is not None:
            return (hash(key) & (SLOTS - 1)) % len(self.workers)
        return self._place(lane.partition)

    def _place(self, partition: Partition) -> int:
        if self._ordering == "Partition":
            return hash((partition.topic, partition.number)) % len(self.workers)
        return self._idlest()

    def _idlest(self) -> int:
        return min(range(len(self.workers)), key=lambda number: self.workers[number].load)

    # Departures

    def departures(self, limit: int | None = None) -> Iterator[tuple[int, Batch]]:
        """The batches that may be sent now, of at most `limit` messages: take them all."""
        left = self._max_in_flight if limit is None else limit
        if not self.in_flight:
            self.is_solitary = False
            if self._solitary and left > 0:
                yield from self._departures_of_suspects(left)
        if self._solitary or self.is_solitary:
            return
        for number, worker in enumerate(self.workers):
            while worker.attached and left > 0:
                chunk, waited = self._next(worker, left)
                if chunk is None:
                    break
                if chunk.records:
                    left -= len(chunk.records)
                    yield number, self._depart(worker, chunk, waited)
            if worker.attached and worker.released:
                yield number, self._depart(worker, Chunk([], [], 0), True)

    def _departures_of_suspects(self, left: int) -> Iterator[tuple[int, Batch]]:
        """Of the next group that is to run with nothing else under way anywhere."""
        number = self._idlest()
        worker = self.workers[number]
        while worker.attached and self._solitary and not self.is_solitary:
            chunk = self._take_suspects(worker, self._solitary, min(left, self._max_in_flight))
            if chunk.records:
                self.is_solitary = True
                yield number, self._depart(worker, chunk, True)

    def _next(self, worker: Worker, left: int) -> tuple[Chunk | None, bool]:
        """What goes to this worker next, and whether that waited in lanes; what waited goes first."""
        room = min(left, self._max_in_flight - self.in_flight)
        if room <= 0:
            return None, False
        if self._lanes.is_one_first:
            return self._take_foremost(worker), True
        if worker.suspects or worker.is_isolated:
            if worker.in_flight:
                return None, False
            worker.is_isolated = bool(worker.suspects)
        if worker.suspects:
            return self._take_suspects(worker, worker.suspects, room), True
        room = min(room, FRAME_RECORDS, worker.window - worker.in_flight)
        if room <= 0:
            return None, False
        if worker.lanes:
            return self._take_lanes(worker, room), True
        return (self._take_backlog(worker, room) if worker.backlog else None), False

    def _take_suspects(self, worker: Worker, groups: deque[list[Lane]], room: int) -> Chunk:
        """As much of the first group as may be sent: the rest is a group of its own, which waits for this one."""
        group = list(self._still_suspect(groups.popleft()))
        firsts = [lane.records[0] for lane in group]
        count = fitting(firsts, min(room, FRAME_RECORDS, len(firsts)))
        if group[count:]:
            groups.appendleft(group[count:])
        return self._from_lanes(worker, [(lane, self._lanes.take_quarantined(lane)) for lane in group[:count]])

    def _still_suspect(self, group: Sequence[Lane]) -> Iterator[Lane]:
        for lane in group:
            if lane.partition.revoked:
                continue
            if lane.records:
                yield lane
            else:  # it blocked meanwhile, at an earlier message
                lane.quarantined = False
                self._lanes.consider(lane)

    def _take_foremost(self, worker: Worker) -> Chunk | None:
        """The first message of a lane that goes before all else."""
        lane = next((lane for lane in worker.lanes if lane in self._lanes.foremost), None)
        if lane is None:
            return None
        worker.lanes.remove(lane)
        return self._from_lanes(worker, [(lane, self._lanes.take(lane, 1))])

    def _take_lanes(self, worker: Worker, room: int) -> Chunk:
        """The beginnings of as many lanes as fit."""
        taken: list[tuple[Lane, list[Record]]] = []
        total = 0
        while worker.lanes and room > 0 and total < FRAME_BYTES:
            lane = worker.lanes.popleft()
            records = self._lanes.take(lane, fitting(lane.records, min(room, len(lane.records))))
            taken.append((lane, records))
            room -= len(records)
            total += sizes(records)
        return self._from_lanes(worker, taken)

    def _from_lanes(self, worker: Worker, taken: Sequence[tuple[Lane, list[Record]]]) -> Chunk:
        indexes: dict[Partition, int] = {}
        chunk = Chunk([], [], 0)
        for lane, records in taken:
            if not records:
                continue
            index = indexes.setdefault(lane.partition, len(indexes))
            anew: list[Record] = [(index, *record[1:]) for record in records]
            lane.taken = anew
            chunk.records += anew
            worker.release(lane)
            lane.held_by = 0
        chunk.partitions, chunk.size = list(indexes), sizes(chunk.records)
        self.bytes += chunk.size
        worker.waiting += len(chunk.records)
        return chunk

    def _take_backlog(self, worker: Worker, room: int) -> Chunk:
        chunk = worker.backlog[0]
        if chunk.has_lanes:
            size = chunk.size
            parked = self._park(chunk)  # which may count further ones out
            worker.waiting -= parked
            self.bytes += chunk.size - size
        count = chunk.fitting(min(room, len(chunk.records)))
        if count >= len(chunk.records):
            return worker.backlog.popleft()
        return chunk.cut(count)

    def _park(self, chunk: Chunk, covered: bool = False) -> int:
        """Messages of a lane that waits go there, however long ago they were queued; how many.

        `covered`: only those that a commit covered.
        """
        # Taken out of the chunk meanwhile: a lane that spills has what it reads again later removed from all chunks.
        records, chunk.records = chunk.records, []
        kept = []
        for record in records:
            partition = chunk.partitions[record[0]]
            lane = partition.lanes.get(self.lane_of(record)) if partition.lanes else None
            if lane is None or (covered and record[1] >= lane.restored_until):
                kept.append(record)
            else:
                self._lanes.put(lane, record)
                self._lanes.consider(lane)
        chunk.records = kept
        if len(kept) < len(records):
            chunk.size = sizes(kept)
        return len(records) - len(kept)

    def _depart(self, worker: Worker, chunk: Chunk, waited: bool) -> Batch:
        self._next_id += 1
        batch = Batch(self._next_id, [(each.topic, each.number) for each in chunk.partitions], chunk.records)
        if worker.released:
            batch.released = [(_source(batch, partition), key) for partition, key in worker.released]
            worker.released = []
        count = len(chunk.records)
        if count:
            flight = Flight(
                *(batch.id, chunk.partitions, chunk.records[:], chunk.size, chunk.plain),  # type: ignore[arg-type]
                *(time.monotonic(), waited, count),
            )
            if self._tracing is not None and (executions := self._tracing.executions(chunk)):
                flight.executions = executions
                _tell(batch, executions)
            worker.flights[batch.id] = flight
            worker.in_flight += count
            worker.waiting -= count
        return batch

    def _release(self, lane: Lane) -> None:
        """The lane is over; a worker that holds it is told so."""
        for worker in self.workers:
            if lane.held_by and not lane.partition.revoked:
                worker.release(lane)

    def _forget_spilled(self, lane: Lane) -> None:
        """What the lane reads again later must not run by way of the backlog besides."""
        for worker in self.workers:
            for chunk in worker.backlog:
                if lane.partition not in chunk.partitions:
                    continue
                kept = [record for record in chunk.records if not self._is_spilled(lane, chunk, record)]
                dropped = len(chunk.records) - len(kept)
                if dropped:
                    worker.waiting -= dropped
                    lane.waiting += dropped
                    self.bytes -= chunk.size
                    chunk.records, chunk.size = kept, sizes(kept)
                    self.bytes += chunk.size

    def _is_spilled(self, lane: Lane, chunk: Chunk, record: Record) -> bool:
        return (
            chunk.partitions[record[0]] is lane.partition
            and lane.spilled is not None
            and record[1] >= lane.spilled
            and self.lane_of(record) == lane.id
        )

    # Answers

    def answered(self, number: int, results: Results) -> tuple[Flight, list[Record]]:
        """Which records these are the answers to; OutOfTurnError, with nothing changed, where none of these were expected."""
        worker = self.workers[number]
        flight = worker.flights.get(results.batch)
        count = len(results.outcomes)
        if flight is None or not count:
            raise OutOfTurnError(f"worker {number} answered batch {results.batch} out of turn")
        records = self._answered(number, flight, results)
        flight.left -= count
        worker.in_flight -= count
        if not flight.left:
            del worker.flights[flight.id]
            self.bytes -= flight.size
        largest = max(PIPELINED, self._max_in_flight // len(self.workers))
        self.execution.observe(worker.learn(count, flight.sent, time.monotonic(), largest), count)
        return flight, records

    def _answered(self, number: int, flight: Flight, results: Results) -> list[Record]:
        """The records, which are no longer open."""
        count = len(results.outcomes)
        if results.indexes is None and count == len(flight.records) == flight.left and not results.first:
            return flight.records  # type: ignore[return-value] # all of it at once, as nearly always
        indexes = results.indexes or range(results.first, results.first + count)
        if len(set(indexes)) != count or min(indexes) < 0 or max(indexes) >= len(flight.records):
            raise OutOfTurnError(f"worker {number} answered more of batch {flight.id} than there is")
        records = [flight.records[index] for index in indexes]
        if None in records:
            raise OutOfTurnError(f"worker {number} answered messages of batch {flight.id} twice")
        for index in indexes:
            flight.records[index] = None
        if flight.lanes is not None:
            flight.lanes -= self._lanes_of(flight, records)
        return records  # type: ignore[return-value]

    def silent(self, since: float) -> list[int]:
        """The workers that have messages and answered none after `since`."""
        found = ((number, worker.silent_since) for number, worker in enumerate(self.workers) if worker.attached)
        return [number for number, silent in found if silent is not None and silent < since]

    def under_way(self, partition: Partition, lane: LaneId) -> int:
        """How many messages of the lane workers have."""
        if lane < PARTITION:  # it is a message alone
            return 0
        total = 0
        for worker in self.workers:
            for flight in worker.flights.values():
                if flight.lanes is None:
                    flight.lanes = self._lanes_of(flight, flight.records)
                total += flight.lanes[(partition, lane)]
        return total

    def _lanes_of(self, flight: Flight, records: Sequence[Record | None]) -> Counter[tuple[Partition, LaneId]]:
        return Counter((flight.partitions[each[0]], self.lane_of(each)) for each in records if each is not None)

    # What is open

    def drop_revoked(self) -> None:
        """Forgets what was not sent of partitions that were given up."""
        for worker in self.workers:
            chunks = list(worker.backlog)
            worker.backlog.clear()
            worker.waiting = 0
            for chunk in chunks:
                self.bytes -= chunk.size
                kept = [record for record in chunk.records if not chunk.partitions[record[0]].revoked]
                if kept:
                    chunk.size = chunk.size if len(kept) == len(chunk.records) else sizes(kept)
                    chunk.records = kept
                    self._queue(worker, chunk)

    def runs(self, partitions: set[Partition]) -> list[int]:
        """The workers that have messages of one of these partitions."""
        return [
            number
            for number, worker in enumerate(self.workers)
            if any(flight.partitions[record[0]] in partitions for flight, record in worker.open_records)
        ]

    def open_offsets(self) -> Iterator[tuple[Partition, int]]:
        """The messages that are queued or under way, but not those of lanes."""
        for worker in self.workers:
            for chunk in worker.backlog:
                for record in chunk.records:
                    yield chunk.partitions[record[0]], record[1]
            for flight, record in worker.open_records:
                if not flight.waited:
                    yield flight.partitions[record[0]], record[1]

    def in_flight_by_partition(self) -> Counter[Partition]:
        """How many messages of each partition are under way."""
        under_way = (each for worker in self.workers for each in worker.open_records)
        return Counter(flight.partitions[record[0]] for flight, record in under_way)

    def oldest(self) -> dict[Partition, float]:
        """For each partition when the batch was sent that waits longest for an answer, on the monotonic clock."""
        oldest: dict[Partition, float] = {}
        for worker in self.workers:
            for flight in worker.flights.values():
                for partition in flight.partitions:
                    oldest[partition] = min(flight.sent, oldest.get(partition, flight.sent))
        return oldest


def _tell(batch: Batch, executions: dict[int, Execution]) -> None:
    """What the function does is to be a part of the execution: it gets that as the message's context."""
    for index, execution in executions.items():
        *rest, headers = batch.records[index]
        batch.records[index] = (*rest, execution.continued(headers or []))  # type: ignore[assignment]
    batch.timed = set(executions)


def _source(batch: Batch, partition: Partition) -> int:
    """The index of a partition in the batch's sources, to which it is added if need be."""
    source = partition.topic, partition.number
    if source not in batch.sources:
        batch.sources.append(source)
    return batch.sources.index(source)
