"""From a record to the message that the function gets, where it gets one."""

from kafkatrigger.api.frames import Record, Work

from .decode import DECODERS, DecodeError, InvalidMessage, invalid_message
from .function import Message
from .loading import Accepts


class Intake:
    """Decodes and filters, as the trigger says. `Execution` does the same in its loop, where a call would be dear."""

    def __init__(self, work: Work, accepts: Accepts | None) -> None:
        self._work = work
        self._decode_value, self._decode_key = DECODERS[work.value_format], DECODERS[work.key_format]
        self._skips_tombstones = work.skip_tombstones
        self._accepts = accepts

    def message(self, source: tuple[str, int], record: Record) -> Message | None:
        """The message to run; None for one that is filtered. InvalidMessage or FilterFailed where that cannot be told."""
        _, offset, timestamp, attempt, key, value, headers = record
        if value is None and self._skips_tombstones:
            return None
        try:
            message = Message(
                None if value is None else self._decode_value(value),
                None if key is None else self._decode_key(key),
                headers or [],
                *source,
                offset,
                timestamp,
                attempt,
            )
        except DecodeError:
            formats = self._work.value_format, self._work.key_format
            raise InvalidMessage(invalid_message(*formats, value, key)) from None
        return message if self._accepts is None or self._accepts(message) else None
