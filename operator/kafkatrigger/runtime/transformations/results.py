"""From what components return to JSON.

Series and frames are wrapped, with their `attrs` as metadata; times are cut to milliseconds, in UTC where they have a
zone; NaN, NaT and infinities are null. Everything else is written as what it is, whatever type the output says.
"""

import sys
from typing import Any

import orjson

from kafkatrigger.runtime.errors import bounded, kind_of
from kafkatrigger.runtime.transformations.data import DATA, METADATA, OPTIONS, WRAPPED, parse
from kafkatrigger.runtime.transformations.model import DataType
from kafkatrigger.runtime.transformations.problems import InvalidData, Stage

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_FRAMES = (DataType.DATAFRAME, DataType.MULTITSFRAME, DataType.SINGLETSFRAME)


def encode(kind: DataType, value: Any) -> bytes:
    """JSON; InvalidData for what JSON cannot express."""
    try:
        return _dumps(of_its_type(kind, value))
    except (TypeError, ValueError, LookupError, RecursionError) as error:
        culprit = error.__cause__ or error
        problem = f"{kind_of(value)} cannot be written as {kind}: {bounded(str(culprit), 300)}"
        raise InvalidData(problem, Stage.ENCODING_RESULTS_TO_JSON) from None
    except InvalidData as error:
        raise InvalidData(str(error), Stage.ENCODING_RESULTS_TO_JSON) from None


def of_its_type(kind: DataType, value: Any) -> Any:
    """Lists and dicts are series and frames where that is what the output says."""
    if kind in (DataType.SERIES, *_FRAMES) and isinstance(value, list | dict):
        value = parse(kind, value)
    if kind is DataType.MULTITSFRAME and hasattr(value, "sort_values"):
        value = value.sort_values("timestamp", kind="stable")
    return value


def _dumps(value: Any) -> bytes:
    return orjson.dumps(value, default=_default, option=_OPTIONS)


def _default(value: Any) -> Any:
    """What orjson does not know. If the value is one of pandas, pandas is imported."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, _of_pandas(pandas)):
        return _from_pandas(pandas, value)
    if hasattr(value, "to_plotly_json"):
        return figure(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):  # arrays that orjson does not take as they are, such as transposed ones
        return _array(pandas, value)
    if isinstance(value, set | frozenset):
        return list(value)
    raise TypeError(f"it is or contains {kind_of(value)}")


def _of_pandas(pandas: Any) -> tuple[type, ...]:
    singles = (pandas.Timestamp, type(pandas.NaT), type(pandas.NA))
    return (pandas.Series, pandas.DataFrame, pandas.Index, *singles)


def _from_pandas(pandas: Any, value: Any) -> Any:
    if isinstance(value, pandas.Series):
        return _series(value)
    if isinstance(value, pandas.DataFrame):
        return _frame(value)
    if isinstance(value, pandas.Index):
        return _column(value)
    if not isinstance(value, pandas.Timestamp):
        return None
    if value.tz is None:
        return value.isoformat(timespec="milliseconds")
    return f"{value.tz_convert(None).isoformat(timespec='milliseconds')}Z"


def _array(pandas: Any, values: Any) -> Any:
    """plotly keeps times as an array of objects, which are written much faster as an index."""
    if pandas is not None and pandas.api.types.is_object_dtype(values) and values.ndim == 1:
        index = pandas.Index(values)
        return _column(index) if index.dtype.kind == "M" else values.tolist()
    return values.tolist()


def figure(given: Any) -> dict[str, Any]:
    """A plotly figure as plain JSON holds it: arrays as lists, which plotly.js of any version reads."""
    if not hasattr(given, "layout"):
        plain: dict[str, Any] = given.to_plotly_json()
        return plain
    parts = {"data": [trace.to_plotly_json() for trace in given.data], "layout": given.layout.to_plotly_json()}
    return parts | ({"frames": [each.to_plotly_json() for each in given.frames]} if given.frames else {})


def _series(series: Any) -> dict[str, Any]:
    """Orient split, which keeps index entries that are there twice."""
    content = {"name": series.name, "index": _column(series.index), "data": _column(series)}
    return _wrapped("SERIES", series, content) | {OPTIONS: {"orient": "split"}}


def _frame(frame: Any) -> dict[str, Any]:
    """Column -> label of the row -> value."""
    labels, columns = (orjson.loads(_dumps(_column(each))) for each in (frame.index, frame.columns))
    for name, found in (("index", labels), ("columns", columns)):
        if len(set(map(str, found))) < len(found):
            raise TypeError(
                f"its {name} has entries that are there twice, of which JSON would keep one: reset the index"
            )
    content = {
        _label(column): dict(zip(map(_label, labels), _list(frame.iloc[:, number]), strict=True))
        for number, column in enumerate(columns)
    }
    return _wrapped("DATAFRAME", frame, content)


def _label(value: Any) -> str:
    return value if isinstance(value, str) else _dumps(value).decode()


def _wrapped(kind: str, value: Any, content: Any) -> dict[str, Any]:
    return {WRAPPED: kind, METADATA: value.attrs, DATA: content}


def _column(values: Any) -> Any:
    """The values of a series or index, as orjson takes them fastest."""
    import pandas as pd

    if isinstance(values, pd.MultiIndex):
        return values.tolist()
    if values.dtype.kind == "M":
        return orjson.Fragment(pd.Series(values).to_json(orient="values", date_format="iso", date_unit="ms"))
    if values.dtype.kind in "iufb" and not isinstance(values.dtype, pd.api.extensions.ExtensionDtype):
        return values.to_numpy()
    return values.tolist()


def _list(values: Any) -> list[Any]:
    """The values of a column, one by one."""
    column = _column(values)
    if isinstance(column, orjson.Fragment):
        column = orjson.loads(_dumps(column))
    return column if isinstance(column, list) else column.tolist()


def plain(value: Any) -> Any:
    """What a component says of a failure, as JSON takes it; why it does not, where it does not."""
    try:
        return orjson.loads(_dumps(value))
    except (TypeError, ValueError, RecursionError) as error:
        return f"{kind_of(value)} that JSON cannot express: {bounded(str(error.__cause__ or error), 300)}"
