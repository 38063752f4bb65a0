"""The example's function against independent calculations."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import plotly.graph_objects as go
import pytest

from examples.rul import produce, rul
from kafkatrigger import Message, Permanent

START = datetime(2020, 5, 1, tzinfo=UTC)
WINDOWS = produce.windows()


def request(values: list[float | None], limit: float, days: float = 30) -> dict[str, Any]:
    """One value a day from START on."""
    series = {(START + timedelta(days=day)).isoformat(): value for day, value in enumerate(values)}
    return {"series": series, "limit": limit, "num_days_forecast": days}


def answer(value: object) -> dict[str, Any]:
    return rul.predict(Message(value))


def refusal(value: object) -> str:
    with pytest.raises(Permanent) as caught:
        answer(value)
    return str(caught.value)


def instant(timestamp: str) -> datetime:
    return datetime.fromisoformat(timestamp)


def usable_points(series: dict[str, float | None]) -> tuple[np.ndarray, np.ndarray, datetime]:
    """Days since the first usable point, values, and that point's time; with the standard library's dates."""
    points = [(instant(time), value) for time, value in series.items() if value is not None]
    first = points[0][0]
    days = [(time - first).total_seconds() / 86_400 for time, _ in points]
    return np.array(days), np.array([value for _, value in points]), first


@pytest.mark.parametrize("window", WINDOWS, ids=[window.request["id"] for window in WINDOWS])
def test_equals_numpys_least_squares(window: produce.Window) -> None:
    result = answer(window.request)
    days, values, first = usable_points(window.request["series"])
    slope, intercept = np.polyfit(days, values, 1)
    by_lstsq = np.linalg.lstsq(np.column_stack([days, np.ones_like(days)]), values, rcond=None)[0]

    assert result["slope"] == pytest.approx(slope, rel=1e-9)
    assert result["intercept"] == pytest.approx(intercept, rel=1e-9)
    assert [result["slope"], result["intercept"]] == pytest.approx(by_lstsq, rel=1e-9)
    assert result["num_points"] == len(values)
    assert instant(result["first_timestamp"]) == first

    crossing = first + timedelta(days=(window.request["limit"] - intercept) / slope)
    assert result["limit_violation"] == "expected"
    assert abs(instant(result["limit_violation_timestamp"]) - crossing) < timedelta(milliseconds=2)


@pytest.mark.parametrize("level", [0.0, 1e6])
@pytest.mark.parametrize("spacing", [timedelta(milliseconds=20), timedelta(hours=1), timedelta(days=40)])
def test_finds_the_line_that_made_the_points(spacing: timedelta, level: float) -> None:
    times = [START + spacing * number for number in range(200)]
    days = [spacing.total_seconds() * number / 86_400 for number in range(200)]
    series = {time.isoformat(): level - 0.25 * day for time, day in zip(times, days, strict=True)}
    result = answer({"series": series, "limit": 0, "num_days_forecast": 30})
    assert result["intercept"] == pytest.approx(level, abs=1e-6)
    assert result["slope"] == pytest.approx(-0.25, rel=1e-4)


def test_gaps_are_left_out_and_do_not_move_the_origin() -> None:
    result = answer(request([None, 1.0, None, 3.0, 4.0, math.nan, math.inf], limit=10))
    assert result["num_points"] == 3
    assert result["first_timestamp"] == "2020-05-02T00:00:00.000Z"
    assert result["last_timestamp"] == "2020-05-05T00:00:00.000Z"
    assert result["intercept"] == pytest.approx(1.0)
    assert result["slope"] == pytest.approx(1.0)
    assert instant(result["limit_violation_timestamp"]) == START + timedelta(days=10)


def test_order_and_time_zones_of_the_timestamps_do_not_matter() -> None:
    shuffled = {"2020-05-03T02:00:00+02:00": 2.0, "2020-05-01": 0.0, "2020-05-02T00:00:00.000Z": 1.0}
    result = answer({"series": shuffled, "limit": 5, "num_days_forecast": 30})
    assert (result["intercept"], result["slope"]) == pytest.approx((0.0, 1.0))
    assert result["limit_violation_timestamp"] == "2020-05-06T00:00:00.000Z"


@pytest.mark.parametrize(
    ("values", "limit", "days", "expected", "day"),
    [
        pytest.param([0.0, 1.0, 2.0], 5, 3, "expected", 5, id="exactly at the horizon"),
        pytest.param([0.0, 1.0, 2.0], 5, 2.999, "none", None, id="behind the horizon"),
        pytest.param([0.0, 1.0, 2.0], 2.5, 0.5, "expected", 2.5, id="soon"),
        pytest.param([0.0, 1.0, 2.0], 2, 30, "past", None, id="reached at the last point"),
        pytest.param([0.0, 1.0, 2.0], 1, 30, "past", None, id="crossed"),
        pytest.param([0.0, 1.0, 2.0], -1, 30, "past", None, id="moving away"),
        pytest.param([2.0, 1.0, 0.0], -1, 30, "expected", 3, id="falling"),
        pytest.param([1.0, 1.0, 1.0], 2, 30, "none", None, id="level"),
        pytest.param([1.0, 1.0, 1.0 + 1e-12], 1e300, 30, "none", None, id="hardly rising"),
    ],
)
def test_only_the_time_between_last_point_and_horizon_counts(
    values: list[float | None], limit: float, days: float, expected: str, day: float | None
) -> None:
    result = answer(request(values, limit, days))
    assert result["limit_violation"] == expected
    timestamp = result["limit_violation_timestamp"]
    assert timestamp is None if day is None else instant(timestamp) == START + timedelta(days=day)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "not a JSON object"),
        ([1, 2], "not a JSON object"),
        ({"num_days_forecast": 3, "series": {}}, "limit is missing or not a number"),
        ({"limit": "1.3", "num_days_forecast": 3, "series": {}}, "limit is missing or not a number"),
        ({"limit": True, "num_days_forecast": 3, "series": {}}, "limit is missing or not a number"),
        ({"limit": 10**400, "num_days_forecast": 3, "series": {}}, "limit is missing or not a number"),
        ({"limit": math.nan, "num_days_forecast": 3, "series": {}}, "limit is missing or not a number"),
        ({"limit": 1, "series": {}}, "num_days_forecast is missing or not a number"),
        ({"limit": 1, "num_days_forecast": 0, "series": {}}, "num_days_forecast is 0: it lies above 0"),
        ({"limit": 1, "num_days_forecast": 1e9, "series": {}}, "at most 36525"),
        ({"limit": 1, "num_days_forecast": 3}, "series is missing"),
        ({"limit": 1, "num_days_forecast": 3, "series": [1, 2]}, "series is missing"),
        ({"limit": 1, "num_days_forecast": 3, "series": {}}, "has 0 usable points: a trend needs at least 3"),
        ({"limit": 1, "num_days_forecast": 3, "series": {"yesterday": 1}}, "a timestamp that is not ISO 8601"),
        ({"limit": 1, "num_days_forecast": 3, "series": {"": 1}}, "an empty timestamp"),
        ({"limit": 1, "num_days_forecast": 3, "series": {"2020-05-01": "high"}}, "neither a number nor null"),
        ({"limit": 1, "num_days_forecast": 3, "series": {"2020-05-01": [1]}}, "neither a number nor null"),
        ({"limit": 1, "num_days_forecast": 3, "series": {"2020-05-01": {}}}, "neither a number nor null"),
        ({"limit": 1, "num_days_forecast": 3, "series": {"2020-05-01": 10**400}}, "neither a number nor null"),
        (request([1.0, None, 2.0], 3), "has 2 usable points: a trend needs at least 3"),
        (request([-1.7e308, 0.0, 1.7e308], 3), "too large"),
    ],
)
def test_a_faulty_request_fails_for_good_and_says_why(value: object, sentence: str) -> None:
    assert sentence in refusal(value)


def test_points_at_one_moment_have_no_trend() -> None:
    series = {"2020-05-01": 1, "2020-05-01T00:00Z": 2, "2020-05-01T00:00:00Z": 3}
    assert "same timestamp" in refusal({"series": series, "limit": 9, "num_days_forecast": 3})


def test_the_answer_is_small_plain_json_with_the_requests_id() -> None:
    for window in (WINDOWS[0], WINDOWS[-1]):
        result = answer(window.request)
        assert result["id"] == window.request["id"]
        text = orjson.dumps(result)
        assert orjson.loads(text) == result
        assert len(text) < 20_000


def test_the_plot_is_a_figure_that_plotly_accepts() -> None:
    result = answer(request([0.0, 1.0, 2.0], limit=5, days=10))
    measured, fitted, forecast, limit = go.Figure(result["rul_regression_result_plot"]).data
    assert list(measured.y) == [0.0, 1.0, 2.0]
    assert [instant(f"{x}Z") for x in measured.x] == [START + timedelta(days=day) for day in range(3)]
    assert list(fitted.y) == pytest.approx([0.0, 2.0])
    assert list(forecast.y) == pytest.approx([2.0, 12.0])
    assert list(limit.y) == [5.0, 5.0]
    assert fitted.x[1] == forecast.x[0] == result["last_timestamp"]
    assert instant(forecast.x[1]) == START + timedelta(days=12)


def test_a_long_series_is_fitted_whole_and_plotted_thinned() -> None:
    values: list[float | None] = [0.5 * day for day in range(20_000)]
    result = answer(request(values, limit=10_001, days=30))
    assert result["num_points"] == 20_000
    assert len(result["rul_regression_result_plot"]["data"][0]["x"]) == 1_000
    assert len(orjson.dumps(result)) < 200_000
