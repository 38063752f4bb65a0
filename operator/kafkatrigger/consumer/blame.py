"""Who is to blame when a worker ends, and what becomes of the messages that it had."""

from collections.abc import Callable
from itertools import groupby
from operator import itemgetter

import msgspec

from kafkatrigger.api.frames import Failed, Record, WorkerExited
from kafkatrigger.consumer.dispatcher import Dispatcher
from kafkatrigger.consumer.lanes import Lane, Lanes
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.worker import Flight

CERTAIN_DEATHS = 2
"""Of the runtime with a message alone, after which the message is taken for the cause."""

FIRST_GROUPS = (1, 8, 64)
"""Sizes of the first groups of suspects where nobody knows which messages had started: the oldest is the likeliest."""

ENDED_RUNTIME = Failed(
    "WorkerCrashed", "WorkerCrashed", "the whole runtime ended while it ran nothing but this message", False
)


class _Open(msgspec.Struct):
    """A message that a worker did not answer before it ended."""

    flight: Flight
    record: Record
    is_suspect: bool
    lane: Lane | None
    """In which it was already."""


class Blame:
    """Tells the cause from the innocent: the one fails, the others run again.

    `is_final` says whether a failure is the last of its message; `lane` is the lane of a message, which begins to wait if
    it did not; `died` deals with one that failed.
    """

    def __init__(
        self,
        is_final: Callable[[Record, Failed], bool],
        dispatcher: Dispatcher,
        lanes: Lanes,
        lane: Callable[[Partition, Record], Lane],
        died: Callable[[Flight, Record, Failed], None],
    ) -> None:
        self._is_final = is_final
        self._dispatcher = dispatcher
        self._lanes = lanes
        self._open = lane
        self._died = died

    def worker_gone(self, worker: int, exited: WorkerExited | None) -> None:
        """Who is to blame counts an attempt; what the worker did not get to is run again without counting one.

        The suspects come first: a message before one of them may have run, its answer lost with the worker, and it must
        not run again after the suspect.
        """
        was_solitary = self._dispatcher.is_solitary
        unfinished = self._unfinished(worker, exited)
        for each in unfinished:
            if each.lane is not None:
                each.lane.quarantined = False
        suspects = [each for each in unfinished if each.is_suspect]
        is_alone = was_solitary and len(suspects) == 1
        failed = _verdict(exited, is_alone and self._has_died_with(suspects[0]))
        if failed is not None:
            blamed = [each for each in suspects if not self._has_to_wait(each, failed, unfinished)]
            for each in blamed:
                self._suspect_failed(each, failed)
        else:
            blamed = suspects
            if suspects:
                self._bisect(suspects, known=exited is not None)
        self._put_back(worker, [each for each in unfinished if not any(each is other for other in blamed)])

    def _has_died_with(self, suspect: _Open) -> bool:
        """Whether the runtime ended more than once while this message alone was under way: once may be an accident."""
        if suspect.lane is None:
            return False
        suspect.lane.deaths += 1
        return suspect.lane.deaths >= CERTAIN_DEATHS

    def _has_to_wait(self, suspect: _Open, failed: Failed, unfinished: list[_Open]) -> bool:
        """Whether this failure would be the last of its message, and earlier ones of its lane are to run again.

        They have to be terminal first: a lane is open from its first message on, in what is committed and what is read
        again. So it is put back with them, and fails once more.
        """
        of, lane_id = suspect.flight.partitions[suspect.record[0]], self._dispatcher.lane_of(suspect.record)
        return self._is_final(suspect.record, failed) and any(
            not each.is_suspect
            and each.record[1] < suspect.record[1]
            and each.flight.partitions[each.record[0]] is of
            and self._dispatcher.lane_of(each.record) == lane_id
            for each in unfinished
        )

    def _unfinished(self, worker: int, exited: WorkerExited | None) -> list[_Open]:
        """What was under way. If the whole runtime ended, nobody knows what had started: all of it is suspect."""
        suspects = set(exited.suspects) if exited else set()
        return [
            _Open(flight, record, exited is None or (flight.id, index) in suspects, self._lane_if_any(flight, record))
            for flight in self._dispatcher.detach(worker)
            for index, record in flight.open_records
            if not flight.partitions[record[0]].revoked
        ]

    def _lane_if_any(self, flight: Flight, record: Record) -> Lane | None:
        lanes = flight.partitions[record[0]].lanes
        return lanes.get(self._dispatcher.lane_of(record)) if lanes else None

    def _suspect_failed(self, suspect: _Open, failed: Failed) -> None:
        if suspect.lane is not None:
            self._lanes.answered(suspect.lane, suspect.record)
        self._died(suspect.flight, suspect.record, failed)
        lane = self._lane_if_any(suspect.flight, suspect.record)
        if lane is not None:
            self._lanes.consider(lane)

    def _bisect(self, suspects: list[_Open], known: bool) -> None:
        """Of the messages that had started one is the cause: they run again in groups, each with nothing else under way."""
        lanes: dict[Lane, None] = {}
        for suspect in suspects:
            lane = self._open(suspect.flight.partitions[suspect.record[0]], suspect.record)
            if suspect.lane is not None:
                self._lanes.answered(suspect.lane, suspect.record)
            self._lanes.put(lane, suspect.record)
            if lane.records and lane.records[0][1] == suspect.record[1] and not lane.answers:
                lane.quarantined = True
                lanes[lane] = None
            else:  # behind one that waits, for its retry or in quarantine, or that failed and is dealt with later
                self._lanes.consider(lane)
        ordered = list(lanes)
        half = (len(ordered) + 1) // 2
        if known:
            self._dispatcher.suspect([ordered[:half], ordered[half:]])
        else:
            self._dispatcher.suspect_of_all(_growing(ordered))

    def _put_back(self, worker: int, innocent: list[_Open]) -> None:
        waits: list[tuple[Flight, Record]] = []
        for each in innocent:
            lane = self._lane_if_any(each.flight, each.record)
            if lane is None:
                waits.append((each.flight, each.record))
                continue
            if each.lane is lane:
                self._lanes.answered(lane, each.record)
            self._lanes.put(lane, each.record)
            self._lanes.consider(lane)
        for flight, group in reversed([(flight, list(group)) for flight, group in groupby(waits, itemgetter(0))]):
            self._dispatcher.put_back(worker, flight.partitions, [record for _, record in group])


def _verdict(exited: WorkerExited | None, is_alone: bool) -> Failed | None:
    """Why the only suspect failed; None where there are several, or none."""
    # Counted are those that the runtime names: of some the partition may have been given up meanwhile.
    if exited is not None:
        single = len(exited.suspects) == 1
        return Failed(exited.reason, exited.reason, exited.message, False) if single else None
    return ENDED_RUNTIME if is_alone else None


def _growing(lanes: list[Lane]) -> list[list[Lane]]:
    """The oldest alone, then ever more."""
    groups = []
    for count in FIRST_GROUPS:
        groups.append(lanes[:count])
        lanes = lanes[count:]
    return [*groups, lanes]
