"""The windows of the record: what is asked and what really happened."""

import numpy as np
import orjson
import pandas as pd
import pytest
from statsmodels.datasets import co2

from examples.rul import produce, rul
from kafkatrigger import Message, Permanent


def test_windows_are_always_the_same() -> None:
    first, again = produce.windows(), produce.windows()
    assert [orjson.dumps(window.request) for window in first] == [orjson.dumps(window.request) for window in again]
    assert len({window.request["id"] for window in first}) == len(first) == produce.MAX_WINDOWS
    assert produce.windows(7) == first[:7]


@pytest.mark.parametrize("count", [0, -1, produce.MAX_WINDOWS + 1])
def test_there_are_no_more_windows_than_the_record_can_answer(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 60"):
        produce.windows(count)


def test_a_window_is_ten_years_of_the_record_with_its_gaps() -> None:
    record = co2.load_pandas().data["co2"]
    window = produce.windows(1)[0]
    series = window.request["series"]
    first, *_, last = series
    assert (first, last) == ("1958-03-29T00:00:00Z", "1968-03-23T00:00:00Z")
    assert list(series.values()) == [None if np.isnan(ppm) else ppm for ppm in record.iloc[: len(series)]]
    assert None in series.values()
    assert window.request["limit"] == np.ceil(np.nanmean(record["1967-03-26":"1968-03-23"])) + 4


def test_keys_are_the_decades_in_which_the_windows_end() -> None:
    windows = produce.windows()
    assert sorted({window.key for window in windows}) == [f"mauna-loa-{decade}s" for decade in (1960, 1970, 1980, 1990)]
    assert all(list(window.request["series"])[-1][:3] == window.key[-5:-2] for window in windows)


def test_the_real_crossing_lies_behind_the_window_and_is_where_the_yearly_mean_arrives() -> None:
    record = co2.load_pandas().data["co2"].interpolate(method="time")
    for window in produce.windows():
        limit, crossing = window.request["limit"], window.crossing
        assert crossing > pd.Timestamp(list(window.request["series"])[-1]).tz_localize(None)
        position = record.index.get_loc(crossing)
        assert record.iloc[position - 26 : position + 26].mean() >= limit
        assert record.iloc[position - 27 : position + 25].mean() < limit


def test_a_limit_beyond_the_record_was_never_reached() -> None:
    with pytest.raises(ValueError, match="never reaches 400 ppm"):
        produce.real_crossing(co2.load_pandas().data["co2"], 400)


def test_the_bad_messages_are_bad() -> None:
    not_json, *others = produce.BAD_VALUES
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(not_json)
    for value in others:
        with pytest.raises(Permanent):
            rul.predict(Message(orjson.loads(value)))
