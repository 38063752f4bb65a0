"""Running the messages of a batch through a function that takes one at a time."""

from collections.abc import Callable
from time import time_ns

from kafkatrigger.api.frames import Batch, NotRun, Outcome, Record, Work

from .decode import DECODERS, DecodeError, invalid_message
from .encode import ResultEncoder, outcome_size
from .failures import Failures, Source
from .function import Message
from .lanes import Lanes
from .loading import Accepts, Function
from .progress import Progress
from .results import FLUSH_BYTES, ResultStream

NOT_RUN = NotRun()
Append = Callable[[Outcome], None]


class Execution:
    """The function at work for one connection."""

    def __init__(
        self, work: Work, function: Function, accepts: Accepts | None, progress: Progress, results: ResultStream
    ) -> None:
        self._work = work
        self._function = function if accepts is None else _filtered(function, accepts)
        self._progress = progress
        self._results = results
        self._lanes = Lanes(work.ordering)
        self._failures = Failures(work, self._lanes)
        self._encoder = ResultEncoder(work.value_format, work.key_format)
        self._room = FLUSH_BYTES
        """Bytes of outcomes until the next flush."""

    def run(self, batch: Batch) -> None:
        """Runs the records in sequence and sends their outcomes."""
        append = self._results.begin(batch.id, batch.records).append
        self._room = FLUSH_BYTES
        self._lanes.release(batch.sources, batch.released)
        base = self._progress.begin(batch)
        if batch.timed:
            self._run_timed(batch, base, append)
        else:
            self._run(batch.sources, batch.records, base, append)
        self._flush()

    def _run_timed(self, batch: Batch, base: int, append: Append) -> None:
        """Runs each of the messages that the consumer wants to know more of by itself, between two looks at the clock: so
        the loop below needs none.
        """
        records, start = batch.records[:], 0
        for index in sorted(batch.timed):
            self._run(batch.sources, records[start:index], base + start, append)
            outcomes: list[Outcome] = []
            began = time_ns()
            self._run(batch.sources, records[index : index + 1], base + index, outcomes.append)
            self._results.ran(index, began, time_ns())
            append(outcomes[0])
            start = index + 1
            if not batch.records:  # the connection is gone, and the records have been emptied
                return
        self._run(batch.sources, records[start:], base + start, append)

    def _run(self, sources: list[Source], records: list[Record], base: int, append: Append) -> None:
        """The one hot loop of the runtime: half a million rounds a second. What it uses is local, what seldom happens is
        in methods, and nothing that is C is wrapped in Python.
        """
        function, encoder, lanes, failures = self._function, self._encoder, self._lanes, self._failures
        decode_value, decode_key = DECODERS[self._work.value_format], DECODERS[self._work.key_format]
        plain, encode_plain, skip_tombstones = encoder.plain, encoder.plain_value, self._work.skip_tombstones
        words, held = self._progress.words, lanes.held
        room = self._room
        outcome: Outcome

        for number, record in enumerate(records, base):
            words[0] = number
            source, offset, timestamp, attempt, key, value, headers = record
            topic, partition = sources[source]
            if held and not lanes.admits(sources[source], key):
                append(NOT_RUN)
                continue
            if value is None and skip_tombstones:
                append(None)
                continue
            try:
                message = Message(
                    None if value is None else decode_value(value),
                    None if key is None else decode_key(key),
                    headers or [],
                    topic,
                    partition,
                    offset,
                    timestamp,
                    attempt,
                )
            except DecodeError:
                failure = invalid_message(self._work.value_format, self._work.key_format, value, key)
                append(failures.note(failure, sources[source], record))
                continue
            try:
                result = function(message)
                if type(result) in plain:
                    try:
                        outcome = encoded = encode_plain(result)
                    except (TypeError, ValueError):
                        outcome = encoded = encoder.value(result)
                    room -= len(encoded)
                elif result is None:
                    outcome = None
                else:
                    outcome = encoder.outcome(result)
                    room -= outcome_size(outcome)
            except BaseException as error:  # noqa: BLE001 - a function that calls sys.exit() has failed, no more
                append(failures.of(error, sources[source], record))
                continue
            if room < 0:
                room = FLUSH_BYTES
                append(failures.bounded(outcome, sources[source], record))
                self._flush()
                continue
            append(outcome)
        self._room = room

    def clear(self) -> None:
        """Notes that nothing runs, at the end of the connection."""
        self._progress.clear()

    def _flush(self) -> None:
        """Sends the outcomes with the clock stopped: waiting for the consumer is not the function's fault."""
        self._progress.clear()
        self._results.flush()


def _filtered(function: Function, accepts: Accepts) -> Function:
    """The function for messages that pass; the others have no result, as if it had returned None."""
    return lambda message: function(message) if accepts(message) else None
