"""Running the messages of a batch through a function that takes several at a time.

A call gets one message of each lane, so that order per key needs no more than the order of calls: first the foremost
message of every lane, then every lane's second, and so on. With `same_key` a call gets the messages as they come.
"""

from collections.abc import Hashable, Iterable
from time import time_ns
from typing import Any, Final

import msgspec

from kafkatrigger.api.frames import Batch, Outcome, Record, Work

from .encode import InvalidResult, ResultEncoder
from .errors import kind_of
from .execution import NOT_RUN
from .failures import Failures, Source
from .function import Batching, Message
from .intake import Intake
from .lanes import Lanes
from .loading import Accepts, Function
from .progress import Progress, in_run
from .results import ResultStream

_KEY: Final = 4


class Job(msgspec.Struct, gc=False):
    """A message that a call gets."""

    index: int
    source: Source
    record: Record
    message: Message


class BatchExecution:
    """A batch function at work for one connection."""

    def __init__(
        self,
        work: Work,
        function: Function,
        batching: Batching,
        accepts: Accepts | None,
        progress: Progress,
        results: ResultStream,
    ) -> None:
        self._function = function
        self._batching = batching
        self._progress = progress
        self._results = results
        self._lanes = Lanes(work.ordering)
        self._failures = Failures(work, self._lanes)
        self._intake = Intake(work, accepts)
        self._encoder = ResultEncoder(work.value_format, work.key_format)
        self._base = self._run = 0

    def run(self, batch: Batch) -> None:
        """Runs the records in calls, and sends their outcomes as calls end."""
        self._base, self._run = self._progress.begin(batch), 0
        self._lanes.release(batch.sources, batch.released)
        self._results.begin(batch.id, batch.records)
        records = batch.records[:]
        for indexes in calls(self._lanes_of(batch), self._batching.size):
            if not batch.records:  # the connection is gone, and the records have been emptied
                return
            self._run_call(batch, records, indexes)
        self._results.flush()

    def clear(self) -> None:
        """Notes that nothing runs, at the end of the connection."""
        self._progress.clear(self._batching.size)

    def _lanes_of(self, batch: Batch) -> list[Hashable | None]:
        if self._batching.same_key:
            return [None] * len(batch.records)
        return [self._lanes.of(batch.sources[record[0]], record[_KEY]) for record in batch.records]

    def _run_call(self, batch: Batch, records: list[Record], indexes: Iterable[int]) -> None:
        """Runs one call. If that raises, each message gets a call of its own, so that the guilty one fails alone."""
        jobs = [job for index in indexes if (job := self._job(batch, records[index], index)) is not None]
        if not jobs:
            return
        began = time_ns()
        try:
            outcomes = self._outcomes(jobs)
        except InvalidResult as error:
            outcomes = [self._failures.of(error, job.source, job.record) for job in jobs]
        except BaseException as error:  # noqa: BLE001 - a function that calls sys.exit() has failed, no more
            if len(jobs) > 1:
                self._progress.clear(len(jobs))
                for job in jobs:  # made anew, for the function may have changed the messages
                    self._run_call(batch, records, [job.index])
                return
            outcomes = [self._failures.of(error, jobs[0].source, jobs[0].record)]
        self._progress.clear(len(jobs))
        ended = time_ns()
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.index in batch.timed:
                self._results.ran(job.index, began, ended)
            self._results.add(job.index, outcome)

    def _job(self, batch: Batch, record: Record, index: int) -> Job | None:
        """What to run of a record; None for one that is answered without."""
        source = batch.sources[record[0]]
        if not self._lanes.admits(source, record[_KEY]):
            self._results.add(index, NOT_RUN)
            return None
        try:
            message = self._intake.message(source, record)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this message's
            self._results.add(index, self._failures.of(error, source, record))
            return None
        if message is None:
            self._results.add(index, None)
            return None
        return Job(index, source, record, message)

    def _outcomes(self, jobs: list[Job]) -> list[Outcome]:
        """The outcomes of one call, during which all of its messages are started ones."""
        base = in_run(self._base, self._run)
        self._run += 1
        for slot, job in enumerate(jobs):
            self._progress.words[slot] = base + job.index
        results = _checked(self._function([job.message for job in jobs]), len(jobs))
        return [self._outcome(job, result) for job, result in zip(jobs, results, strict=True)]

    def _outcome(self, job: Job, result: Any) -> Outcome:
        if not self._lanes.admits(job.source, job.record[_KEY]):
            return NOT_RUN  # one before it in the same call failed, and comes first when it runs again
        try:
            return self._failures.bounded(self._encoder.outcome(result), job.source, job.record)
        except BaseException as error:  # noqa: BLE001 - user code: the result may be a generator
            return self._failures.of(error, job.source, job.record)


def calls(lanes: list[Hashable | None], size: int) -> list[list[int]]:
    """Indexes of messages in calls of at most `size`, none with two of one lane, lanes in order; None is no lane."""
    seen: dict[Hashable, int] = {}
    rounds: list[list[int]] = []
    for index, lane in enumerate(lanes):
        rank = seen.get(lane, 0) if lane is not None else 0
        seen[lane] = rank + 1
        if rank == len(rounds):
            rounds.append([])
        rounds[rank].append(index)
    return [each[start : start + size] for each in rounds for start in range(0, len(each), size)]


def _checked(results: Any, count: int) -> list[Any]:
    if not isinstance(results, list):
        raise InvalidResult(f"the batch function returned {kind_of(results)}: return a list, one result per message")
    if len(results) != count:
        raise InvalidResult(
            f"the batch function returned {len(results)} results for {count} messages: return one per message, "
            "None for those without a response"
        )
    return results
