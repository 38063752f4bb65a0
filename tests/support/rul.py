"""A remaining useful life workflow of several components, as an export; and what numpy says of the same."""

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kafkatrigger.runtime.transformations.hetida import revisions_of
from kafkatrigger.runtime.transformations.model import Revision, from_manifest, to_manifest
from tests.support.transformations import exported_component, exported_workflow

DAYS = exported_component(
    "Days",
    """
def main(*, series):
    days = (series.index - series.index[0]).total_seconds() / 86400
    return {"days": days.to_series(index=series.index), "start": series.index[0]}
""",
    "series: SERIES",
    "days: SERIES, start: ANY",
)
LINE = exported_component(
    "Line",
    """
import numpy as np

async def main(*, x, y):
    slope, intercept = np.polyfit(x.to_numpy(), y.to_numpy(), 1)
    return {"slope": slope, "intercept": intercept}
""",
    "x: SERIES, y: SERIES",
    "slope: FLOAT, intercept: FLOAT",
)
CROSSING = exported_component(
    "Crossing",
    """
import pandas as pd

def main(*, slope, intercept, level, start, unit):
    return {"at": start + pd.Timedelta((level - intercept) / slope, unit=unit)}
""",
    "slope: FLOAT, intercept: FLOAT, level: FLOAT, start: ANY, unit: STRING",
    "at: STRING",
)
FORECAST = exported_component(
    "Forecast",
    """
import pandas as pd

def main(*, slope, intercept, start, days):
    index = pd.date_range(start, periods=days + 1, freq="D")
    return {"forecast": pd.Series([intercept + slope * day for day in range(days + 1)], index=index)}
""",
    "slope: FLOAT, intercept: FLOAT, start: ANY, days: INT = 3",
    "forecast: SERIES",
)
PLOT = exported_component(
    "Plot",
    """
import plotly.graph_objects as go
from hdutils import plotly_fig_to_json_dict

def main(*, measured, forecast):
    lines = [go.Scatter(x=each.index, y=each) for each in (measured, forecast)]
    return {"plot": plotly_fig_to_json_dict(go.Figure(lines, layout={"template": None}))}
""",
    "measured: SERIES, forecast: SERIES",
    "plot: PLOTLYJSON",
)
TREND = exported_workflow(
    "Trend",
    {"days": DAYS, "line": LINE},
    "series -> days.series, days.days -> line.x, series -> line.y, "
    "days.start -> start, line.slope -> slope, line.intercept -> intercept",
    "series: SERIES",
    "slope: FLOAT, intercept: FLOAT, start: ANY",
    {},
)
RUL = exported_workflow(
    "RUL",
    {"trend": TREND, "crossing": CROSSING, "forecast": FORECAST, "plot": PLOT},
    "inp_series -> trend.series, trend.slope -> crossing.slope, trend.intercept -> crossing.intercept, "
    "trend.start -> crossing.start, limit -> crossing.level, trend.slope -> forecast.slope, "
    "trend.intercept -> forecast.intercept, trend.start -> forecast.start, num_days_forecast -> forecast.days, "
    "inp_series -> plot.measured, forecast.forecast -> plot.forecast, trend.slope -> slope, "
    "trend.intercept -> intercept, crossing.at -> limit_violation_timestamp, "
    "forecast.forecast -> forecast, plot.plot -> rul_regression_result_plot",
    "inp_series: SERIES, limit: FLOAT, num_days_forecast: INT = 2",
    "slope: FLOAT, intercept: FLOAT, limit_violation_timestamp: STRING, forecast: SERIES, "
    "rul_regression_result_plot: PLOTLYJSON",
    {"crossing.unit": "D"},
)
START = pd.Timestamp("2020-05-01T00:00:00Z")


def revisions() -> list[Revision]:
    exports = [DAYS, LINE, CROSSING, FORECAST, PLOT, TREND, RUL]
    imported = revisions_of(PurePath("all.json"), json.dumps(exports).encode())
    return [from_manifest(to_manifest(each, "name"), "a file") for each in imported]


def measured() -> Mapping[str, float]:
    generator = np.random.default_rng(7)
    return {
        (START + pd.Timedelta(hours=hour)).isoformat(): 2.5 - 0.02 * hour / 24 + float(generator.normal(0, 0.01))
        for hour in range(1000)
    }


def expected(series: Mapping[str, float], limit: float) -> tuple[float, float, pd.Timestamp]:
    """Slope a day, intercept, and when the line has the limit: by the normal equations."""
    days = np.arange(len(series)) / 24
    values = np.array(list(series.values()))
    slope = ((days - days.mean()) * (values - values.mean())).sum() / ((days - days.mean()) ** 2).sum()
    intercept = values.mean() - slope * days.mean()
    return slope, intercept, START + pd.Timedelta(days=(limit - intercept) / slope)


def check(found: Mapping[str, Any], series: Mapping[str, float], limit: float, days: int) -> None:
    """The outputs of a run for a series are what numpy says, to 1e-9."""
    slope, intercept, crossing = expected(series, limit)
    assert found["slope"] == pytest.approx(slope, rel=1e-9)
    assert found["intercept"] == pytest.approx(intercept, rel=1e-9)
    assert abs(pd.Timestamp(found["limit_violation_timestamp"]) - crossing) < pd.Timedelta(milliseconds=2)
    forecast: Any = found["forecast"]["__data__"]
    assert forecast["index"][-1] == f"{START + pd.Timedelta(days=days):%Y-%m-%dT%H:%M:%S}.000Z"
    assert forecast["data"] == pytest.approx([intercept + slope * day for day in range(days + 1)], rel=1e-9)
