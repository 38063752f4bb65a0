"""From a message's bytes to what the function sees, and what to say where that fails."""

from collections.abc import Callable
from typing import Any

import orjson

from kafkatrigger.api.frames import Failed, Format

from .errors import AttemptFailed, bounded, class_name
from .function import Headers

Decode = Callable[[bytes], Any]

# C functions without exception, because they run once or twice for every message.
DECODERS: dict[Format, Decode] = {
    "JSON": orjson.loads,  # has its own bound on depth (1,024) and refuses NaN, as the standard says
    "String": bytes.decode,
    "Bytes": bytes,
}
DecodeError = ValueError
"""What decoders raise: orjson.JSONDecodeError and UnicodeDecodeError are both of this class."""

_EXPECTED: dict[Format, str] = {"JSON": "JSON", "String": "UTF-8 text", "Bytes": "bytes"}


class InvalidMessage(AttemptFailed):
    """A record is not valid for its format."""


def invalid_message(value_format: Format, key_format: Format, value: bytes | None, key: bytes | None) -> Failed:
    """Names what is wrong with a message that failed to decode: the first of value and key that is at fault."""
    for part, kind, data in (("value", value_format, value), ("key", key_format, key)):
        try:
            if data is not None:
                DECODERS[kind](data)
        except DecodeError as error:
            sentence = f"the {part} is not valid {_EXPECTED[kind]}: {_position(error)}"
            return Failed("InvalidMessage", class_name(error), bounded(sentence), True)
    raise AssertionError("value and key are both valid")


def headers_by_name(headers: Headers) -> dict[str, str | bytes | None]:
    """The last value of each header, as text where it is UTF-8."""
    return {name: _text(value) for name, value in headers}


def _text(value: bytes | None) -> str | bytes | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return value


def _position(error: Exception) -> str:
    """What and where. UnicodeDecodeError is put into words here, since orjson reports such bytes without a position."""
    if isinstance(error, UnicodeDecodeError):
        return f"{error.reason} at byte {error.start}"
    return str(error)
