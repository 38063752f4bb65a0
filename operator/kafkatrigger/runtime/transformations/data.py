"""From JSON to the values that components get.

A value is JSON, or text that holds JSON: in a wiring all of them are text. pandas is imported when the first value
needs it.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from kafkatrigger.runtime.errors import bounded, kind_of
from kafkatrigger.runtime.transformations.model import DataType
from kafkatrigger.runtime.transformations.problems import InvalidData

WRAPPED = "__hd_wrapped_data_object__"
METADATA = "__metadata__"
DATA = "__data__"
OPTIONS = "__data_parsing_options__"

_TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}


def parse(kind: DataType, given: object, *, is_nullable: bool = False) -> Any:
    """The value of a type; InvalidData that says what it is instead. Null is None; so is its text where it may be null.

    Objects of pandas, which adapters load, are taken as they are.
    """
    if given is None or (is_nullable and given == "null"):
        return None
    try:
        return _PARSERS[kind](given)
    except InvalidData:
        raise
    except ImportError as error:
        raise InvalidData(f"{kind} needs {error.name}, which is not installed here: use the analytics image") from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        shown = bounded(str(given), 60)
        raise InvalidData(f"{shown!r} is no {kind}: {bounded(str(error), 300)}") from None


def _json(given: object) -> Any:
    """What the text says. NaN and infinities, which are no JSON, are read: some programs write them."""
    if not isinstance(given, str):
        return given
    try:
        return orjson.loads(given)
    except orjson.JSONDecodeError:
        return json.loads(given)


def _int(given: object) -> int:
    """`5.0` is whole too."""
    if isinstance(given, str):
        try:
            return int(given)
        except ValueError:
            given = float(given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError(f"it is {kind_of(given)}")
    if given != int(given):
        raise ValueError("it is not whole")
    return int(given)


def _float(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise TypeError(f"it is {kind_of(given)}")
    return float(given)


def _string(given: object) -> str:
    """Numbers are text too: JSON does not say which of them are ids."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return str(given)
    if not isinstance(given, str):
        raise TypeError(f"it is {kind_of(given)}")
    return given


def _boolean(given: object) -> bool:
    if isinstance(given, bool):
        return given
    truth = _TRUTH.get(str(given).lower()) if isinstance(given, str | int) else None
    if truth is None:
        raise ValueError("write true or false")
    return truth


def _any(given: object) -> Any:
    """Text that is JSON is parsed, twice where it is text again; other text is itself."""
    for _ in range(2):
        if isinstance(given, str):
            try:
                given = _json(given)
            except ValueError:
                break
    wrapped = given.get(WRAPPED) if isinstance(given, Mapping) else None
    return _PARSERS[DataType(wrapped)](given) if wrapped in ("SERIES", "DATAFRAME") else given


def _plot(given: object) -> dict[str, Any]:
    figure = _json(given)
    if not isinstance(figure, dict):
        raise TypeError(f"it is {kind_of(figure)}, and has to be an object")
    return figure


def _series(given: object) -> Any:
    from kafkatrigger.runtime.transformations import pandas_json

    content, metadata, options = _unwrapped(_json(given), "SERIES")
    return _with(metadata, pandas_json.series(content, options))


def _frame(given: object) -> Any:
    from kafkatrigger.runtime.transformations import pandas_json

    content, metadata, options = _unwrapped(_json(given), "DATAFRAME")
    return _with(metadata, pandas_json.frame(content, options))


def _with(metadata: Mapping[str, Any], value: Any) -> Any:
    value.attrs.update(metadata)
    return value


def _series_of_times(*needed: str) -> Callable[[object], Any]:
    """A frame with these columns and others, sorted by time. Times without a zone are in UTC."""

    def parse_frame(given: object) -> Any:
        frame = _frame(given)
        if not len(frame.columns):
            return frame.assign(timestamp=frame.index, **dict.fromkeys((*needed[1:], "value"), ()))
        if missing := [name for name in needed if name not in frame.columns]:
            raise ValueError(f"it has no column {' and no column '.join(missing)}")
        if len(frame.columns) == len(needed):
            raise ValueError(f"it has no column of values beside {' and '.join(needed)}")
        if nulls := [name for name in needed if frame[name].isna().any()]:
            raise ValueError(f"{nulls[0]} is null in row {int(frame[nulls[0]].isna().to_numpy().argmax())}")
        if frame["timestamp"].dtype.kind != "M":
            raise ValueError("timestamp holds other things than times: write 2026-01-01T00:00:00Z, or milliseconds")
        if frame["timestamp"].dt.tz is None:
            frame["timestamp"] = frame["timestamp"].dt.tz_localize("UTC")
        if "metric" in needed:
            frame["metric"] = frame["metric"].astype("string")
        return frame.sort_values("timestamp", kind="stable")

    return parse_frame


def _unwrapped(content: Any, kind: str) -> tuple[Any, Mapping[str, Any], Mapping[str, Any]]:
    """Data, metadata and options; the last two are empty where it is not wrapped."""
    if not isinstance(content, dict) or WRAPPED not in content:
        return content, {}, {}
    if content[WRAPPED] != kind:
        raise ValueError(f"{WRAPPED} says it is a {content[WRAPPED]}")
    return content[DATA], content.get(METADATA) or {}, content.get(OPTIONS) or {}


_PARSERS: dict[DataType, Callable[[object], Any]] = {
    DataType.INT: _int,
    DataType.FLOAT: _float,
    DataType.STRING: _string,
    DataType.BOOLEAN: _boolean,
    DataType.ANY: _any,
    DataType.SERIES: _series,
    DataType.DATAFRAME: _frame,
    DataType.MULTITSFRAME: _series_of_times("timestamp", "metric"),
    DataType.SINGLETSFRAME: _series_of_times("timestamp"),
    DataType.PLOTLYJSON: _plot,
}
