"""Remaining useful life by a straight line: when will a series, going on as it did, reach its limit?

A message asks::

    {"id": "pump-7", "series": {"2020-05-01T00:00:00Z": 2.5, "2020-05-02T00:00:00Z": null, ...},
     "limit": 1.3, "num_days_forecast": 30}

and is answered with the line of least squares through the points, the moment at which that line reaches the limit, and
a picture of both as plotly JSON. See `predict` for the fields and their units.
"""

import math
import sys
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from kafkatrigger import Message, Permanent

MIN_POINTS = 3
"""Two points always lie on a line, so they say nothing about a trend."""
MAX_DAYS_FORECAST = 36_525
"""A hundred years."""
MAX_PLOT_POINTS = 1_000
"""A longer series is thinned out in the plot (never in the fit), so that responses stay small."""

Times = npt.NDArray[np.datetime64]
"""UTC, in microseconds."""
Floats = npt.NDArray[np.float64]


class Points(NamedTuple):
    """The usable points of a series in order of time."""

    times: Times
    values: Floats

    @property
    def days(self) -> Floats:
        """Days since the first point."""
        days: Floats = (self.times - self.times[0]) / np.timedelta64(1, "D")
        return days


class Line(NamedTuple):
    """value = intercept + slope * days since the first point."""

    slope: float
    """Per day."""
    intercept: float
    """At the first point."""

    def at(self, day: float) -> float:
        """Value of the line so many days after the first point."""
        return self.intercept + self.slope * day

    def reaches(self, limit: float) -> float | None:
        """Days from the first point to where the line has the value `limit`; None for a line that never has it."""
        return (limit - self.intercept) / self.slope if self.slope else None


def predict(message: Message) -> dict[str, Any]:
    """Answer one request.

    The answer's fields:

    - `slope`: of the line, per day; `intercept`: its value at `first_timestamp`.
    - `limit_violation_timestamp`: when the line reaches the limit, as an ISO 8601 time in UTC. Only moments after the
      last point and at most `num_days_forecast` days behind it count as a forecast; otherwise null.
    - `limit_violation`: "expected" where that timestamp is given. "past" when the line reaches the limit at or before
      the last point: it has crossed it, or is moving away from it. "none" when it does not reach it in time.
    - `first_timestamp`, `last_timestamp`, `num_points`: of the points used, which are those with a finite value.
    - `rul_regression_result_plot`: a figure, as plotly JSON.
    - `id`: the request's own, null where it has none.

    Every fault of a request raises `Permanent`, since reading it again would not mend it.
    """
    request = message.value
    if not isinstance(request, dict):
        raise Permanent("the message is not a JSON object with the fields series, limit and num_days_forecast")
    limit = _number(request, "limit")
    horizon = _number(request, "num_days_forecast")
    if not 0 < horizon <= MAX_DAYS_FORECAST:
        raise Permanent(f"num_days_forecast is {horizon:g}: it lies above 0 and is at most {MAX_DAYS_FORECAST}")
    points = read_points(request.get("series"))
    line = fit(points)
    violation, timestamp = find_violation(points, line, limit, horizon)
    return {
        "id": request.get("id"),
        "slope": line.slope,
        "intercept": line.intercept,
        "limit_violation_timestamp": timestamp,
        "limit_violation": violation,
        "first_timestamp": _iso(points.times[0]),
        "last_timestamp": _iso(points.times[-1]),
        "num_points": len(points.values),
        "rul_regression_result_plot": plot(points, line, limit, horizon),
    }


def read_points(series: object) -> Points:
    """The points of a {timestamp: value} object, sorted by time, without those whose value is null, NaN or infinite.

    Timestamps are ISO 8601; one without a zone is taken as UTC. Raises `Permanent` for what cannot be read.
    """
    if not isinstance(series, dict):
        raise Permanent("series is missing or not an object of timestamps and values")
    try:
        index = pd.to_datetime(list(series), format="ISO8601", utc=True)
    except (ValueError, OverflowError) as error:
        raise Permanent(f"series has a timestamp that is not ISO 8601: {error}") from error
    if index.hasnans:
        raise Permanent("series has an empty timestamp")
    try:
        values = np.fromiter(map(_float_or_nan, series.values()), dtype=np.float64, count=len(series))
    except (TypeError, ValueError, OverflowError) as error:
        raise Permanent(f"series has a value that is neither a number nor null: {error}") from error
    times = index.tz_localize(None).to_numpy().astype("datetime64[us]")
    usable = np.isfinite(values)
    times, values = times[usable], values[usable]
    order = np.argsort(times, kind="stable")
    return Points(times[order], values[order])


def fit(points: Points) -> Line:
    """The line of least squares.

    Days and values are taken relative to their means, which keeps the sums small and so the result exact to the last
    few digits, whatever the level of the series.
    """
    if len(points.values) < MIN_POINTS:
        raise Permanent(f"the series has {len(points.values)} usable points: a trend needs at least {MIN_POINTS}")
    days = points.days
    if not days[-1]:
        raise Permanent(f"all {len(days)} usable points have the same timestamp: a trend needs at least two")
    with np.errstate(over="ignore", invalid="ignore"):
        mean_day, mean_value = days.mean(), points.values.mean()
        day_offsets = days - mean_day
        slope = float(day_offsets @ (points.values - mean_value) / (day_offsets @ day_offsets))
        line = Line(slope, float(mean_value - slope * mean_day))
    if not (math.isfinite(line.slope) and math.isfinite(line.intercept)):
        raise Permanent("the values of the series are too large to fit a line through them")
    return line


def find_violation(points: Points, line: Line, limit: float, horizon: float) -> tuple[str, str | None]:
    """Whether the line reaches the limit within `horizon` days after the last point, and when; see `predict`."""
    last = float(points.days[-1])
    crossing = line.reaches(limit)
    if crossing is None or crossing > last + horizon:
        return "none", None
    if crossing <= last:
        return "past", None
    return "expected", _iso(_later(points.times[-1], crossing - last))


def plot(points: Points, line: Line, limit: float, horizon: float) -> dict[str, Any]:
    """The figure: points, fitted line, forecast and limit.

    Written as the JSON that plotly reads, not built with `plotly.graph_objects`: that costs some milliseconds for every
    message, many times the fit itself, and its result is the same picture.
    """
    first, last = _iso(points.times[0]), _iso(points.times[-1])
    last_day = float(points.days[-1])
    end = _iso(_later(points.times[-1], horizon))
    at_first, at_last, at_end = line.intercept, line.at(last_day), line.at(last_day + horizon)
    return {
        "data": [
            _measured(points),
            _segment("fitted line", [first, last], [at_first, at_last], "#ff7f0e", "solid"),
            _segment("forecast", [last, end], [at_last, at_end], "#ff7f0e", "dash"),
            _segment("limit", [first, end], [limit, limit], "#d62728", "dot"),
        ],
        "layout": {
            "title": {"text": "Remaining useful life by linear regression"},
            "xaxis": {"type": "date", "title": {"text": "time (UTC)"}},
            "yaxis": {"title": {"text": "value"}},
        },
    }


def _measured(points: Points) -> dict[str, Any]:
    step = math.ceil(len(points.values) / MAX_PLOT_POINTS)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "measured",
        "marker": {"size": 3, "color": "#1f77b4"},
        "x": np.datetime_as_string(points.times[::step], unit="ms").tolist(),
        "y": points.values[::step].tolist(),
    }


def _segment(name: str, x: list[str], y: list[float], color: str, dash: str) -> dict[str, Any]:
    return {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": {"color": color, "dash": dash}}


def _number(request: dict[str, Any], name: str) -> float:
    value = request.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        raise Permanent(f"{name} is missing or not a number")
    return float(value)


def _float_or_nan(value: Any) -> float:
    return math.nan if value is None else float(value)


def _later(time: np.datetime64, days: float) -> np.datetime64:
    return time + np.timedelta64(round(days * 86_400_000), "ms")


def _iso(time: np.datetime64) -> str:
    return f"{np.datetime_as_string(time, unit='ms')}Z"
