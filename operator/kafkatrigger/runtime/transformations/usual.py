"""Columns and labels as they usually are, converted as pandas.read_json does and in a fraction of its time.

What is not usual is None here, and pandas' to read.
"""

import re
from typing import Any

import numpy as np
import pandas as pd

ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
_MICROSECONDS = len("2020-01-01T00:00:00.000000")
_UTC = ("Z", "+00:00")
_FIRST_TIME = 31_536_000
"""Labels from here on are times to pandas: seconds since the epoch, or parts of them."""
_WHOLE = 1 << 53
_NUMBERS = ({int}, {float}, {int, float})


def numbers(values: list[Any]) -> Any:
    """Integers where all are whole, as pandas has it, and floats else; None is missing."""
    kinds = set(map(type, values))
    found = np.array(values, dtype=float) if kinds - {type(None)} in _NUMBERS else None
    if found is None or not np.abs(found).max(initial=0, where=~np.isnan(found)) < _WHOLE:
        return None
    if np.isnan(found).any():
        return found
    whole = found.astype(np.int64)
    return whole if (whole == found).all() else found


def texts(values: list[Any]) -> Any:
    """Text that is no number: one of them is enough."""
    if not set(map(type, values)) <= {str, type(None)}:
        return None
    try:
        float(next(value for value in values if value is not None))
    except ValueError:
        return pd.array(values, dtype="str")
    except StopIteration:
        pass
    return None


def times(values: list[Any]) -> Any:
    """Times of one length, of microseconds at most, which are all written as in UTC, or all have no zone."""
    if set(map(type, values)) != {str} or not ISO.fullmatch(values[0]) or len(set(map(len, values))) > 1:
        return None
    zone = next((each for each in _UTC if values[0].endswith(each)), "")
    joined, length = "".join(values), len(values[0]) - len(zone)
    if joined.count(zone) < len(values) or (not zone and _has_zones(joined, len(values))) or length > _MICROSECONDS:
        return None
    try:
        found = np.array(values, dtype=f"S{length}").astype("datetime64[us]")
    except ValueError:
        return None
    return pd.DatetimeIndex(found, tz="UTC" if zone else None)


def _has_zones(joined: str, count: int) -> bool:
    """Whether one of so many times has one: each has two dashes without."""
    return "Z" in joined or "+" in joined or joined.count("-") > 2 * count


def labels(given: list[Any]) -> Any:
    """Of rows: times, or whole numbers that are none."""
    found = times(given)
    if found is not None:
        return found
    if set(map(type, given)) != {str} or not all(map(str.isdecimal, given)) or not all(map(str.isascii, given)):
        return None
    whole = np.array(given, dtype=object).astype(np.int64) if max(map(len, given)) < 9 else None
    return pd.Index(whole) if whole is not None and whole.min() <= _FIRST_TIME else None
