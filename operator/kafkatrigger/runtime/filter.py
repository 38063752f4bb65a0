"""`spec.source.filter`: which messages run, by an expression in CEL.

The expression is compiled and its types are checked when the worker loads; see ADR 0011 for the library. What an
evaluation costs is the conversion of its input, so a message is converted as far as the expression names it and no
further: the variables that occur, and of `value` the fields alone where nothing else of it is used.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cel_expr_python import cel

from .decode import headers_by_name
from .errors import FilterFailed, bounded
from .function import Message
from .loading import Accepts, LoadError

ARENA_USES = 16
"""Evaluations that share what an evaluation allocates and never frees: a new arena costs half a microsecond."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES = {
    "value": cel.Type.DYN,
    "key": cel.Type.DYN,
    "headers": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "topic": cel.Type.STRING,
    "partition": cel.Type.INT,
    "offset": cel.Type.INT,
    "timestamp": cel.Type.TIMESTAMP,
}
_STRINGS_AND_COMMENTS = re.compile(
    r"""
    (?: [rR][bB]? | [bB][rR] ) (?: \"{3} .*? \"{3} | '{3} .*? '{3} | " [^"\n]* " | ' [^'\n]* ' )
    | [bB]? (?: \"{3} (?: \\. | [^\\] )*? \"{3} | '{3} (?: \\. | [^\\] )*? '{3} )
    | [bB]? (?: " (?: \\. | [^"\\\n] )* " | ' (?: \\. | [^'\\\n] )* ' )
    | // [^\n]*
    """,
    re.DOTALL | re.VERBOSE,
)
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_VALUE = re.compile(r"(?<![\w.])value\b(?:\s*\.\s*([A-Za-z_]\w*)(?!\w|\s*\())?")


def compile_filter(expression: str) -> Accepts:
    """What tells whether a message runs. LoadError where the expression is not one that yields a boolean."""
    evaluate = _program(expression).eval
    inputs = _inputs(expression)
    arena, uses = cel.Arena(), 0

    def accepts(message: Message) -> bool:
        nonlocal arena, uses
        uses += 1
        if uses > ARENA_USES:
            arena, uses = cel.Arena(), 0
        try:
            verdict = evaluate(None, {name: convert(message) for name, convert in inputs}, None, arena).value()
        except Exception as error:  # noqa: BLE001 - its bindings raise whatever the conversion meets
            raise FilterFailed(f"the filter cannot be evaluated: {bounded(str(error), 300)}") from None
        if verdict is True or verdict is False:
            return verdict
        raise FilterFailed(_problem(verdict))

    return accepts


def _program(expression: str) -> cel.Expression:
    try:
        program = cel.NewEnv(variables=_TYPES).compile(expression)
    except (RuntimeError, TypeError) as error:
        raise LoadError(bounded(f"spec.source.filter is not valid CEL: {error}: correct it")) from None
    kind = program.return_type()
    if kind not in (cel.Type.BOOL, cel.Type.DYN):
        raise LoadError(f"spec.source.filter yields {kind.name()}, not true or false: make it a condition")
    return program


def _problem(verdict: object) -> str:
    if isinstance(verdict, str):  # errors come in this form too
        return f"the filter yields no boolean but: {bounded(verdict, 300)}"
    return f"the filter yields {bounded(repr(verdict), 300)}, which is neither true nor false"


def _inputs(expression: str) -> list[tuple[str, Callable[[Message], Any]]]:
    """The variables that the expression may use, with what to convert of a message for each."""
    code = _STRINGS_AND_COMMENTS.sub('""', expression)
    names = set(_NAME.findall(code))
    converters = _CONVERTERS | {"value": _value(code)}
    return [(name, convert) for name, convert in converters.items() if name in names]


def used_fields(code: str) -> list[str] | None:
    """The fields of `value` that an expression (without strings) uses; None where it uses `value` in other ways too."""
    fields = [match.group(1) for match in _VALUE.finditer(code)]
    return None if None in fields else sorted(set(fields))


def _value(code: str) -> Callable[[Message], Any]:
    fields = used_fields(code)
    if fields is None:
        return lambda message: message.value

    def only_used(message: Message) -> Any:
        value = message.value
        return {name: value[name] for name in fields if name in value} if type(value) is dict else value

    return only_used


_CONVERTERS: dict[str, Callable[[Message], Any]] = {
    "value": lambda message: message.value,
    "key": lambda message: message.key,
    "headers": lambda message: headers_by_name(message.headers),
    "topic": lambda message: message.topic,
    "partition": lambda message: message.partition,
    "offset": lambda message: message.offset,
    "timestamp": lambda message: _EPOCH + timedelta(milliseconds=message.timestamp),
}
