"""Series and frames from JSON, as pandas.read_json makes them: transformations were written with what it guesses.

Three things differ. Numbers stay numbers: pandas takes a series of large ones for times. Times with zones are in UTC. And
times whose offsets differ are times, not text.
"""

import functools
import io
import json
import warnings
from collections.abc import Mapping
from typing import Any

import pandas as pd

from kafkatrigger.runtime.errors import kind_of
from kafkatrigger.runtime.transformations import usual

_OPTIONS = frozenset(
    ("orient", "dtype", "convert_axes", "convert_dates", "keep_default_dates", "precise_float", "date_unit")
)
_SPLIT = {"orient": "split"}
_EMPTY = pd.DatetimeIndex([], dtype="datetime64[us, UTC]")
"""Where there are no labels: most series are of time."""


def series(content: Any, options: Mapping[str, Any]) -> pd.Series:
    """`{label: value}`, or a list; or what the options say of it. ValueError, TypeError."""
    if isinstance(content, pd.Series):
        return content
    _check(content)
    values = _values(content, options)
    found = _usual_series(content, options, values)
    if found is None:
        found = _in_utc(_read(content, "series", {"convert_dates": not _are_numbers(values)} | dict(options)))
    if isinstance(content, dict):
        found.index = _labels(found.index)
    return found.astype(float) if _are_missing(values) else found


def frame(content: Any, options: Mapping[str, Any]) -> pd.DataFrame:
    """`{column: {label: value}}`, `{column: [value]}` or a list of records; or what the options say of it."""
    if isinstance(content, pd.DataFrame):
        return content
    _check(content)
    found = None if options else _usual_frame(content)
    if found is None:
        found = _read(content, "frame", options)
        for number, column in enumerate(found.columns):
            if _is_of_times(column):
                found.isetitem(number, _in_utc(found.iloc[:, number]))
    found.index = _labels(found.index)
    return found


def with_times(table: pd.DataFrame) -> pd.DataFrame:
    """The frame, changed: columns that are named as times are times, where they hold such."""
    for column in filter(_is_of_times, table.columns):
        if table[column].dtype.kind != "M":
            table[column] = moments(table[column].tolist())
    return table


def moments(values: list[Any]) -> Any:
    """Times as ISO text, or as numbers since the epoch, as pandas takes them; the values where they are neither."""
    if not values:
        return _EMPTY
    found = _read(values, "series", {})
    return pd.DatetimeIndex(_in_utc(found)) if found.dtype.kind == "M" else values


def _check(content: Any) -> None:
    if not isinstance(content, dict | list):
        raise TypeError(f"it is {kind_of(content)}, and has to be an object or a list")


def _read(content: Any, kind: str, options: Mapping[str, Any]) -> Any:
    if unknown := sorted(options.keys() - _OPTIONS):
        raise ValueError(f"the parsing options {', '.join(unknown)} are not known: remove them")
    text = json.dumps(content, default=str)
    with warnings.catch_warnings():  # about guesses
        warnings.simplefilter("ignore")
        try:
            return pd.read_json(io.StringIO(text), typ=kind, **{"precise_float": True} | dict(options))
        except ValueError as error:  # it does not take numbers next to zero
            if "Range error" not in str(error):
                raise
            return pd.read_json(io.StringIO(text), typ=kind, **options)


def _values(content: Any, options: Mapping[str, Any]) -> list[Any]:
    """The values of a series in the forms that are usual."""
    if options == _SPLIT and isinstance(content, dict) and isinstance(content.get("data"), list):
        data: list[Any] = content["data"]
        return data
    return list(content.values()) if isinstance(content, dict) else content


def _are_numbers(values: list[Any]) -> bool:
    return set(map(type, values)) <= {int, float, bool, type(None)}


def _are_missing(values: list[Any]) -> bool:
    return bool(values) and all(value is None for value in values)


def _usual_series(content: Any, options: Mapping[str, Any], values: list[Any]) -> pd.Series | None:
    if not values or (options and not (options == _SPLIT and isinstance(content, dict))):
        return None
    if isinstance(content, list):
        index, name = pd.RangeIndex(len(values)), None
    elif options:
        index, name = _split_labels(content.get("index")), content.get("name")
    else:
        index, name = usual.labels(list(content)), None
    found = usual.numbers(values) if index is not None and len(index) == len(values) else None
    return None if found is None else pd.Series(found, index=index, name=name)


def _split_labels(given: Any) -> Any:
    """Labels that are of their type, and need not be guessed, but for times."""
    return usual.times(given) if isinstance(given, list) and given else None


def _usual_frame(content: Any) -> pd.DataFrame | None:
    """Columns that are all of the same rows, each of numbers, text or times."""
    columns = _columns(content)
    if not columns or not _are_names(tuple(columns)):
        return None
    first = next(iter(columns.values()))
    labels = list(first) if isinstance(first, dict) else None
    if not first or not all(_is_alike(each, first, labels) for each in columns.values()):
        return None
    index = pd.RangeIndex(len(first)) if labels is None else usual.labels(labels)
    found = {}
    for name, column in columns.items() if index is not None else ():
        found[name] = _usual_column(name, list(column.values()) if isinstance(column, dict) else column)
        if found[name] is None:
            return None
    return pd.DataFrame(found, index=index) if found else None


def _columns(content: Any) -> dict[str, Any]:
    """The columns of a frame, or of records that all have the same fields; empty where they do not."""
    if isinstance(content, dict):
        return content
    names = list(content[0]) if content and isinstance(content[0], dict) else []
    if not all(isinstance(record, dict) and list(record) == names for record in content):
        return {}
    return {name: [record[name] for record in content] for name in names}


@functools.lru_cache(maxsize=1024)
def _are_names(columns: tuple[str, ...]) -> bool:
    """Whether pandas leaves them as they are, and does not take them for numbers or times."""
    return all(isinstance(name, str) for name in _read({name: [0] for name in columns}, "frame", {}).columns)


def _is_alike(column: Any, first: Any, labels: list[str] | None) -> bool:
    if type(column) is not type(first) or not isinstance(column, dict | list):
        return False
    return len(column) == len(first) if labels is None else list(column) == labels


def _usual_column(name: str, values: list[Any]) -> Any:
    if _is_of_times(name):
        return usual.times(values)
    found = usual.numbers(values)
    return usual.texts(values) if found is None else found


def _labels(index: Any) -> Any:
    return _in_utc(index) if len(index) else _EMPTY


def _in_utc(values: Any) -> Any:
    """Times in UTC, where they have zones; what are no times, and times without, are left as they are."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dt.tz_convert("UTC") if isinstance(values, pd.Series) else values.tz_convert("UTC")
    if values.dtype != "str" or not usual.ISO.fullmatch(next((each for each in values if isinstance(each, str)), "")):
        return values
    try:
        return pd.to_datetime(values, utc=True, format="ISO8601")
    except ValueError:
        return values


def _is_of_times(column: object) -> bool:
    """Columns that pandas takes for times by their names."""
    name = str(column).lower()
    return name.endswith(("_at", "_time")) or name.startswith("timestamp") or name in ("modified", "date")
