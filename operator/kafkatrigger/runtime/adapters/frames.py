"""Tables as values of a type, and values as tables. A series is a table of two columns: its index and its values."""

from typing import Any

import pandas as pd

from kafkatrigger.runtime.adapters.protocol import AdapterError
from kafkatrigger.runtime.transformations.data import moments, with_times
from kafkatrigger.runtime.transformations.model import DataType

TABLES = (
    DataType.SERIES,
    DataType.DATAFRAME,
    DataType.MULTITSFRAME,
    DataType.SINGLETSFRAME,
    DataType.ANY,
)
"""What a table can become."""
TIME, INDEX, VALUE = "timestamp", "index", "value"
"""How columns are called that have no name of their own."""


def value_of(frame: pd.DataFrame, kind: DataType) -> Any:
    """The table as a value; AdapterError where it cannot be one."""
    if kind not in TABLES:
        raise AdapterError(f"it is a table, which is no {kind}: wire an input of type DATAFRAME")
    _check_columns(frame)
    return _series(frame) if kind is DataType.SERIES else in_utc(with_times(frame))


def _check_columns(frame: pd.DataFrame) -> None:
    if not frame.columns.is_unique:
        twice = ", ".join(map(str, frame.columns[frame.columns.duplicated()].unique()))
        raise AdapterError(f"several of its columns are called {twice}: give each a name of its own")


def _series(frame: pd.DataFrame) -> pd.Series:
    """Of one column, with the index of the table; or of two, index and values; or of those called so."""
    if {TIME, VALUE} <= set(frame.columns):
        frame = frame[[TIME, VALUE]]
    if len(frame.columns) not in (1, 2):
        names = ", ".join(map(str, frame.columns))
        raise AdapterError(f"its columns are {names}: a SERIES has an index and values, called {TIME} and {VALUE}")
    series = frame.iloc[:, -1]
    if len(frame.columns) == 2:
        series = pd.Series(series.to_numpy(), index=_index(frame.iloc[:, 0]), name=series.name, dtype=series.dtype)
    series.attrs.update(frame.attrs)
    return series.rename(None if series.name in (VALUE, 0, "0") else series.name)


def _index(column: pd.Series) -> Any:
    name = None if column.name in (TIME, INDEX) else column.name
    if column.dtype.kind != "M":
        return pd.Index(moments(column.tolist()), name=name)
    return pd.DatetimeIndex(pd.to_datetime(column, utc=True)).rename(name)


def in_utc(frame: pd.DataFrame) -> pd.DataFrame:
    """All times are UTC; those without a zone are taken for it."""
    times = [name for name in frame.columns if frame[name].dtype.kind == "M"]
    return frame.assign(**{name: pd.to_datetime(frame[name], utc=True) for name in times}) if times else frame


def table_of(value: Any, kind: DataType, time: str = TIME, number: str = VALUE) -> pd.DataFrame:
    """The table of a series or frame, whose index is a column of it where it says more than the order; AdapterError.

    Its columns are called by text.
    """
    if isinstance(value, pd.Series):
        index = value.index.name or (time if value.index.dtype.kind == "M" else INDEX)
        table = pd.DataFrame({index: value.index, value.name or number: value.to_numpy()})
        table.attrs.update(value.attrs)
        return table
    if not isinstance(value, pd.DataFrame):
        raise AdapterError(
            f"the value of type {kind} is no table: send it where JSON is kept, or send a DATAFRAME or SERIES"
        )
    _check_columns(value)
    has_numbers = kind in (DataType.MULTITSFRAME, DataType.SINGLETSFRAME) or isinstance(value.index, pd.RangeIndex)
    return (value if has_numbers else _with_index(value, time)).rename(columns=str)


def _with_index(frame: pd.DataFrame, time: str) -> pd.DataFrame:
    if isinstance(frame.index, pd.MultiIndex):
        return frame.reset_index()
    is_of_times = frame.index.dtype.kind == "M" and time not in frame.columns
    name = frame.index.name or (time if is_of_times else INDEX)
    return frame if name in frame.columns else frame.rename_axis(index=name).reset_index()
