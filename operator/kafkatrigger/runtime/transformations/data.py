"""From JSON to the values that components get.

A value is JSON, or text that holds JSON: in a wiring all of them are text. Times are UTC: those without a zone are taken
for it. pandas is imported when the first value needs it.
"""

import json
import re
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

MILLISECONDS_FROM = 31_536_000_000
"""Numbers in place of times are, from here on (1971), milliseconds since the epoch, as pandas writes them by default."""

_MICROSECONDS = len("2020-01-01T00:00:00.000000Z")
_ISO = re.compile(r"[+-]?\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}


def parse(kind: DataType, given: object) -> Any:
    """The value of a type; InvalidData that says what it is instead. Null is None; objects of pandas are taken as well."""
    if given is None:
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
    import pandas as pd

    if isinstance(given, pd.Series):
        return given
    content, metadata, options = _unwrapped(_json(given), "SERIES")
    if options.get("orient") == "split":
        series = _made_series(content["data"], _index(content["index"], _times), content.get("name"))
    elif isinstance(content, dict):
        series = _made_series(list(content.values()), _index(list(content), _keys), None)
    elif isinstance(content, list):
        series = _made_series(content, None, None)
    else:
        raise TypeError(f"it is {kind_of(content)}, and has to be an object or a list")
    series.attrs.update(metadata)
    return series


def _made_series(values: list[Any], index: Any, name: Any) -> Any:
    """What holds nothing but null holds missing numbers."""
    import pandas as pd

    dtype = float if all(value is None for value in values) else None
    content = values if values and isinstance(values[0], float | int) else _times(values)
    return pd.Series(content, index=index, name=name, dtype=dtype)


def _frame(given: object) -> Any:
    """Column -> index -> value, column -> list, or a list of records; or what the options say of a wrapped one."""
    import pandas as pd

    if isinstance(given, pd.DataFrame):
        return given
    content, metadata, options = _unwrapped(_json(given), "DATAFRAME")
    if options.get("orient") == "split":
        frame = pd.DataFrame(content["data"], index=_index(content["index"], _times), columns=content["columns"])
    elif _is_frame(content):
        frame = pd.DataFrame(content)
        frame.index = _index(list(frame.index), _keys)
    else:
        raise TypeError("it has to be an object of columns, or a list of records")
    frame.attrs.update(metadata)
    return with_times(frame)


def with_times(frame: Any) -> Any:
    """The frame, changed: columns that are named as times are times, where they hold such."""
    for column in filter(_is_of_times, frame.columns):
        if frame[column].dtype.kind != "M":
            frame[column] = moments(frame[column].tolist())
    return frame


def _is_frame(content: Any) -> bool:
    if isinstance(content, dict):
        return all(isinstance(column, dict | list) for column in content.values())
    return isinstance(content, list) and all(isinstance(record, dict) for record in content)


def _is_of_times(column: object) -> bool:
    """Columns that pandas takes for times by their names."""
    name = str(column).lower()
    return name.endswith(("_at", "_time")) or name.startswith("timestamp") or name in ("modified", "date")


def _series_of_times(*needed: str) -> Callable[[object], Any]:
    """A frame with these columns and others, sorted by time."""

    def parse_frame(given: object) -> Any:
        frame = _frame(given)
        if not len(frame.columns):
            return frame.assign(timestamp=_index([], _times), **{name: [] for name in needed[1:]})
        if missing := [name for name in needed if name not in frame.columns]:
            raise ValueError(f"it has no column {' and no column '.join(missing)}")
        if len(frame.columns) == len(needed):
            raise ValueError(f"it has no column of values beside {' and '.join(needed)}")
        if nulls := [name for name in needed if frame[name].isna().any()]:
            raise ValueError(f"{nulls[0]} is null in row {int(frame[nulls[0]].isna().to_numpy().argmax())}")
        if frame["timestamp"].dtype.kind != "M":
            raise ValueError("timestamp holds other things than times: write 2026-01-01T00:00:00Z, or milliseconds")
        return frame.sort_values("timestamp", kind="stable")

    return parse_frame


def _unwrapped(content: Any, kind: str) -> tuple[Any, Mapping[str, Any], Mapping[str, Any]]:
    """Data, metadata and options; the last two are empty where it is not wrapped."""
    if not isinstance(content, dict) or WRAPPED not in content:
        return content, {}, {}
    if content[WRAPPED] != kind:
        raise ValueError(f"{WRAPPED} says it is a {content[WRAPPED]}")
    return content[DATA], content.get(METADATA) or {}, content.get(OPTIONS) or {}


def _index(labels: list[Any], convert: Callable[[list[Any]], Any]) -> Any:
    """Where there are no labels, one of times: most series are of time."""
    import pandas as pd

    return convert(labels) if labels else pd.DatetimeIndex([], dtype="datetime64[us, UTC]")


def _keys(labels: list[Any]) -> Any:
    """What are keys in JSON, and so text: times, numbers, or text."""
    return moments(_numbers(labels))


def moments(values: list[Any]) -> Any:
    """Times as text, or as milliseconds; the values where they are neither."""
    import pandas as pd

    if all(type(value) is int and value >= MILLISECONDS_FROM for value in values):
        return pd.to_datetime(values, unit="ms", utc=True).as_unit("us")
    return _times(values)


def _numbers(labels: list[Any]) -> list[Any]:
    """Text that is written as JSON writes numbers, and so has no zeros in front, as numbers."""
    for pattern, number in ((_INTEGER, int), (_NUMBER, float)):
        if all(isinstance(label, str) and pattern.fullmatch(label) for label in labels):
            return [number(label) for label in labels]
    return labels


def _times(values: list[Any]) -> Any:
    """A DatetimeIndex where all values are times in ISO's form; the values where they are not."""
    first = next((value for value in values if isinstance(value, str)), "")
    if not _ISO.fullmatch(first) or not _are_text(values):
        return values
    import numpy as np
    import pandas as pd

    try:
        if _are_strings(values) and _are_alike(values):
            texts = np.array(values, dtype=f"S{len(first) - 1}")
            return pd.DatetimeIndex(texts.astype("datetime64[us]"), tz="UTC")
        return pd.to_datetime(values, utc=True, format="ISO8601")
    except ValueError:
        return values


def _are_alike(texts: list[str]) -> bool:
    """Whether all end with Z and have one length, of microseconds at most: numpy needs half the time for these."""
    length = len(texts[0])
    return (
        length <= _MICROSECONDS
        and set(map(len, texts)) == {length}
        and "".join(texts)[length - 1 :: length] == "Z" * len(texts)
    )


def _are_text(values: list[Any]) -> bool:
    """Missing ones aside: None, and NaN in columns of frames. One round in C where nothing is missing."""
    return _are_strings(values) or all(isinstance(value, str) or value is None or value != value for value in values)


def _are_strings(values: list[Any]) -> bool:
    return set(map(type, values)) == {str}


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
