"""What becomes of a message that fails: a description for the consumer, a held lane, a line in the log."""

import logging
import traceback

from kafkatrigger.api.frames import Failed, Outcome, Record, Work

from .encode import InvalidResult, outcome_size
from .errors import AttemptFailed, FilterFailed, bounded, class_name, innermost_line, text_of
from .function import Permanent
from .lanes import Lanes

Source = tuple[str, int]
"""Topic and partition."""
OUTCOME_BYTES = 64 << 20
"""Far more than brokers take, far less than a frame may have."""
TOO_LARGE = Failed("InvalidResult", "InvalidResult", "the function returned more than 64 MiB: return less", True)
log = logging.getLogger("kafkatrigger.runtime")


class Failures:
    """Takes note of failures for one connection."""

    def __init__(self, work: Work, lanes: Lanes) -> None:
        self._package = work.function.partition(":")[0].partition(".")[0]
        self._lanes = lanes

    def of(self, error: BaseException, source: Source, record: Record) -> Failed:
        """The outcome of a message whose attempt raised."""
        return self.note(describe(error, self._package), source, record, error)

    def bounded(self, outcome: Outcome, source: Source, record: Record) -> Outcome:
        """The outcome, unless it is larger than any frame or broker would take."""
        return self.note(TOO_LARGE, source, record) if outcome_size(outcome) > OUTCOME_BYTES else outcome

    def note(self, failure: Failed, source: Source, record: Record, error: BaseException | None = None) -> Failed:
        """Holds the lane and logs the failure: its class and place, since its text may quote the message."""
        _, offset, _, attempt, key, _, _ = record
        self._lanes.hold(source, key)
        where = innermost_line(error.__traceback__, self._package) if error else ""
        facts = {"topic": source[0], "partition": source[1], "offset": offset, "attempt": attempt}
        facts |= {"reason": failure.reason, "error": failure.error_class} | ({"where": where} if where else {})
        log.warning("a message failed", extra=facts)
        if error is not None and log.isEnabledFor(logging.DEBUG):
            log.debug("".join(traceback.format_tb(error.__traceback__)), extra=facts)
        return failure


def describe(error: BaseException, package: str) -> Failed:
    """The failure that an exception is, of the function in this package or of what surrounds it."""
    if isinstance(error, AttemptFailed):
        return error.failure
    if isinstance(error, InvalidResult):
        return Failed("InvalidResult", "InvalidResult", bounded(str(error)), True)
    if isinstance(error, FilterFailed):
        return Failed("FilterFailed", "FilterFailed", bounded(str(error)), True)
    where = innermost_line(error.__traceback__, package)
    text = text_of(error)
    message = f"{bounded(text, 800)} ({where})" if where else text
    return Failed("FunctionFailed", class_name(error), bounded(message.strip()), isinstance(error, Permanent))
