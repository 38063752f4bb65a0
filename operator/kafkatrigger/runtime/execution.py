"""Running the messages of a batch through the function."""

import logging
import traceback

from kafkatrigger.api.frames import Batch, Failed, NotRun, Outcome, Work

from .decode import DECODERS, DecodeError, invalid_message
from .encode import InvalidResult, ResultEncoder, outcome_size
from .errors import bounded, class_name, innermost_line, text_of
from .function import Message, Permanent
from .lanes import Lanes
from .loading import Function
from .progress import Progress
from .results import ResultStream

NOT_RUN = NotRun()
FLUSH_BYTES = 1 << 20
OUTCOME_BYTES = 64 << 20
"""Far more than brokers take, far less than a frame may have."""
TOO_LARGE = Failed("InvalidResult", "InvalidResult", "the function returned more than 64 MiB: return less", True)
log = logging.getLogger("kafkatrigger.runtime")


class Execution:
    """The function at work for one connection."""

    def __init__(self, work: Work, function: Function, progress: Progress, results: ResultStream) -> None:
        self._work = work
        self._function = function
        self._package = work.function.partition(":")[0].partition(".")[0]
        self._progress = progress
        self._results = results
        self._lanes = Lanes(work.ordering)
        self._encoder = ResultEncoder(work.value_format, work.key_format)

    def run(self, batch: Batch) -> None:
        """Runs the records in sequence and sends their outcomes.

        The one hot loop of the runtime: half a million rounds a second. What it uses is local, what seldom happens is
        in methods, and nothing that is C is wrapped in Python.
        """
        function, encoder, lanes = self._function, self._encoder, self._lanes
        decode_value, decode_key = DECODERS[self._work.value_format], DECODERS[self._work.key_format]
        plain, encode_plain, skip_tombstones = encoder.plain, encoder.plain_value, self._work.skip_tombstones
        words, held, sources = self._progress.words, lanes.held, batch.sources
        append = self._results.begin(batch.id, batch.records).append
        room = FLUSH_BYTES
        outcome: Outcome
        lanes.begin_batch(batch.id, batch.seen)
        base = self._progress.begin(batch.id, len(batch.records))

        for number, (source, offset, timestamp, attempt, key, value, headers) in enumerate(batch.records, base):
            words[0] = number
            topic, partition = sources[source]
            if held and not lanes.admits(topic, partition, key):
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
                outcome = invalid_message(self._work.value_format, self._work.key_format, value, key)
                append(self._failed(outcome, topic, partition, key, offset, attempt))
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
                append(self._failed(self._failure(error), topic, partition, key, offset, attempt, error))
                continue
            if room < 0:
                room = FLUSH_BYTES
                append(self._bounded(outcome, topic, partition, key, offset, attempt))
                self._flush()
                continue
            append(outcome)
        self._flush()

    def _flush(self) -> None:
        """Sends the outcomes with the clock stopped: waiting for the consumer is not the function's fault."""
        self._progress.clear()
        self._results.flush()

    def _bounded(
        self, outcome: Outcome, topic: str, partition: int, key: bytes | None, offset: int, attempt: int
    ) -> Outcome:
        if outcome_size(outcome) <= OUTCOME_BYTES:
            return outcome
        return self._failed(TOO_LARGE, topic, partition, key, offset, attempt)

    def _failure(self, error: BaseException) -> Failed:
        if isinstance(error, InvalidResult):
            return Failed("InvalidResult", "InvalidResult", bounded(str(error)), True)
        where = innermost_line(error.__traceback__, self._package)
        text = text_of(error)
        message = f"{bounded(text, 800)} ({where})" if where else text
        return Failed("FunctionFailed", class_name(error), bounded(message.strip()), isinstance(error, Permanent))

    def _failed(
        self,
        failure: Failed,
        topic: str,
        partition: int,
        key: bytes | None,
        offset: int,
        attempt: int,
        error: BaseException | None = None,
    ) -> Failed:
        """Holds the lane and logs the failure: its class and place, since its text may quote the message."""
        self._lanes.hold(topic, partition, key)
        where = innermost_line(error.__traceback__, self._package) if error else ""
        facts = {"topic": topic, "partition": partition, "offset": offset, "attempt": attempt}
        facts |= {"reason": failure.reason, "error": failure.error_class} | ({"where": where} if where else {})
        log.warning("a message failed", extra=facts)
        if error is not None and log.isEnabledFor(logging.DEBUG):
            log.debug("".join(traceback.format_tb(error.__traceback__)), extra=facts)
        return failure
