"""From what a function returned to the outcome of its message.

==============================  =======================================================
returned                        becomes
==============================  =======================================================
`None`                          no response: the message is filtered
a value                         one response with that value and the source's key
`Result(...)`                   one response; `Result(None)` is a tombstone
a list of nothing but `Result`  several responses, in order
a generator                     several responses: each item is a value or a `Result`
`Failure(...)`                  a failure, as if it had been raised
==============================  =======================================================
"""

from collections.abc import Callable, Iterable
from types import CoroutineType, GeneratorType
from typing import Any

import orjson

from kafkatrigger.api.frames import Format, Headers, Outcome, Output, Outputs

from .errors import kind_of
from .function import SOURCE_KEY, Failure, Result

Encode = Callable[[Any], bytes]

_JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


class InvalidResult(Exception):  # noqa: N818 - named as the reason it becomes
    """The function returned something that its trigger cannot publish; the text says what to return instead."""


class ResultEncoder:
    """Encodes results by the formats of the trigger."""

    def __init__(self, value_format: Format, key_format: Format) -> None:
        self._key = _ENCODERS[key_format]
        self.value = _ENCODERS[value_format]
        """Encodes any value, or says in InvalidResult why that cannot be."""
        self.plain = _PLAIN[value_format]
        """Types of which `plain_value` encodes most objects; the loop tries that before `value`."""
        self.plain_value = _FAST[value_format]

    def outcome(self, result: Any) -> Outcome:
        """The outcome for anything that a function may return; InvalidResult for the rest.

        Runs generators, and so lets any exception of the user's code pass; a `Failure` is raised as one.
        """
        if type(result) in self.plain:
            try:
                return self.plain_value(result)
            except (TypeError, ValueError):
                return self.value(result)
        if isinstance(result, GeneratorType):
            return self.several(result)
        if type(result) is Failure:
            raise result.exception()
        if isinstance(result, list) and result and type(result[0]) is Result:
            return _combined([self._output(item) for item in _only_results(result)])
        return None if result is None else _combined([self._output(result)])

    def several(self, items: Iterable[Any]) -> Outcome:
        """The outcome for what a generator yields."""
        return _combined([self._output(item) for item in items if item is not None])

    def _output(self, item: Any) -> Output:
        if type(item) is Failure:
            raise item.exception()
        if type(item) is not Result:
            return Output(self.value(item))
        value = None if item.value is None else self.value(item.value)
        headers, partition = _checked_headers(item.headers), _checked_partition(item.partition)
        if item.key is SOURCE_KEY:
            return Output(value, headers=headers, partition=partition)
        return Output(value, self._key_of(item), source_key=False, headers=headers, partition=partition)

    def _key_of(self, item: Result) -> bytes | None:
        try:
            return None if item.key is None else self._key(item.key)
        except InvalidResult as problem:
            raise InvalidResult(f"as the key of a Result, {problem}") from None


def outcome_size(outcome: Outcome) -> int:
    """About how many bytes an outcome takes in a frame."""
    if isinstance(outcome, Outputs):
        return sum(len(output.value or b"") + len(output.key or b"") + 32 for output in outcome.outputs)
    return len(outcome) if isinstance(outcome, bytes) else 0


def _combined(outputs: list[Output]) -> Outcome:
    """Outputs in their shortest form."""
    if not outputs:
        return None
    first = outputs[0]
    is_plain = first.source_key and not first.headers and first.partition is None
    if len(outputs) == 1 and is_plain and first.value is not None:
        return first.value
    return Outputs(outputs)


def _only_results(items: list[Any]) -> Iterable[Result]:
    for item in items:
        if type(item) is not Result:
            raise InvalidResult(
                f"the function returned a list of Result and {kind_of(item)}: make every item a Result, or yield them"
            )
    return items


def _checked_headers(headers: Any) -> Headers:
    """Headers as pairs, from a list of anything that looks like one."""
    if isinstance(headers, list | tuple) and all(map(_is_header, headers)):
        return [(name, value) for name, value in headers]
    raise InvalidResult("the function returned a Result whose headers are no list of pairs of str and bytes (or None)")


def _is_header(header: Any) -> bool:
    match header:
        case (str(), bytes() | None):
            return True
    return False


def _checked_partition(partition: Any) -> int | None:
    if partition is None or (isinstance(partition, int) and 0 <= partition < 1 << 31):
        return partition
    raise InvalidResult("the function returned a Result whose partition is no partition number")


def _json(value: Any) -> bytes:
    if isinstance(value, CoroutineType):
        value.close()
        raise InvalidResult("the function returned a coroutine: declare it with async def, or run it to its end")
    try:
        return orjson.dumps(value, _json_default, _JSON_OPTIONS)
    except orjson.JSONEncodeError as error:
        raise InvalidResult(_json_problem(value, error)) from None


def _json_default(value: Any) -> Any:
    """Dates of any library have isoformat(); pandas' missing one (NaT) is unequal to itself."""
    if hasattr(value, "isoformat"):
        return value.isoformat() if value == value else None
    if hasattr(value, "tolist"):  # arrays that orjson does not take as they are, such as transposed ones
        return value.tolist()
    raise TypeError


def _json_problem(value: Any, error: Exception) -> str:
    culprit = str(error).removeprefix("Type is not JSON serializable: ")
    if culprit == str(error):
        return f"the function returned {kind_of(value)} that JSON cannot express: {error}"
    what = kind_of(value) if culprit == type(value).__name__ else f"{kind_of(value)} that contains a {culprit}"
    return f"the function returned {what}, which JSON cannot express: return numbers, text, booleans, lists or dicts"


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise InvalidResult(f"the function returned {kind_of(value)}, but the trigger's format is String: return str")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise InvalidResult(f"the function returned text that UTF-8 cannot express: {error.reason}") from None


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise InvalidResult(f"the function returned {kind_of(value)}, but the trigger's format is Bytes: return bytes")


_ENCODERS: dict[Format, Encode] = {"JSON": _json, "String": _text, "Bytes": _bytes}
# C functions for the usual case; whatever they refuse is tried again by the encoders above.
_FAST: dict[Format, Encode] = {"JSON": orjson.dumps, "String": str.encode, "Bytes": bytes}
_PLAIN: dict[Format, frozenset[type]] = {
    "JSON": frozenset({dict, str, int, float, bool}),
    "String": frozenset({str}),
    "Bytes": frozenset({bytes}),
}
