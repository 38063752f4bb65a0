"""A remaining useful life workflow of several components against numpy."""

import json

import pytest

from tests.support import rul
from tests.support.transformations import outputs, wiring


def test_it_says_what_numpy_says() -> None:
    series = rul.measured()
    found = outputs(
        rul.revisions(),
        wiring(inp_series=json.dumps(series), limit="1.3", num_days_forecast="30"),
        run_pure_plot_operators=True,
    )
    rul.check(found, series, 1.3, 30)
    lines = found["rul_regression_result_plot"]["data"]
    assert [len(line["y"]) for line in lines] == [1000, 31]
    assert lines[0]["y"] == pytest.approx(list(series.values()), rel=1e-15)
    assert lines[0]["x"][1] == "2020-05-01T01:00:00.000Z"


def test_without_plots_and_with_the_workflows_default() -> None:
    found = outputs(rul.revisions(), wiring(inp_series=json.dumps(rul.measured()), limit="1.3"))
    assert found["rul_regression_result_plot"] == {}
    assert len(found["forecast"]["__data__"]["data"]) == 3
