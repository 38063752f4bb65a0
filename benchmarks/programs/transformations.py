"""Transformations that are measured, and requests for them."""

import itertools
from typing import Any

import msgspec
import orjson

from kafkatrigger.runtime.transformations.model import (
    Component,
    DataType,
    End,
    Input,
    Link,
    Operator,
    Output,
    Revision,
    Workflow,
)
from tests.support.rul import measured, revisions

_NOTHING = "def main(*, x):\n    return {'x': x}\n"
_SERIES = "def main(*, s):\n    return {'n': len(s)}\n"
_FIGURE = """
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from hdutils import plotly_fig_to_json_dict

figures = {}

def main(*, points):
    if points not in figures:
        index = pd.date_range("2026-01-01", periods=points, freq="min", tz="UTC")
        figures[points] = plotly_fig_to_json_dict(go.Figure(go.Scatter(x=index, y=np.sqrt(np.arange(points)))))
    return {"figure": figures[points]}
"""


def specs() -> dict[str, bytes]:
    """The JSON of each revision's `spec`, by id."""
    mine = [
        _component("nothing", _NOTHING, Input("x", DataType.FLOAT), Output("x", DataType.FLOAT)),
        _component("series", _SERIES, Input("s", DataType.SERIES), Output("n", DataType.INT)),
        _component("figure", _FIGURE, Input("points", DataType.INT), Output("figure", DataType.ANY)),
        _chain("ten", 10),
    ]
    return {each.id: msgspec.json.encode(each) for each in mine + _rul()}


def manifests() -> bytes:
    """The Transformations of a namespace, as a list of the API."""
    items = [{"metadata": {"name": name.lower()}, "spec": msgspec.Raw(spec)} for name, spec in specs().items()]
    return msgspec.json.encode({"items": items})


def request(identity: str, inputs: dict[str, object]) -> bytes:
    """In the schema Execute; values as wirings have them, which is text."""
    wired = [
        {
            "workflow_input_name": name,
            "adapter_id": "direct_provisioning",
            "filters": {"value": orjson.dumps(value).decode()},
        }
        for name, value in inputs.items()
    ]
    return orjson.dumps({"id": identity, "wiring": {"input_wirings": wired, "output_wirings": []}})


def series(points: int) -> dict[str, float]:
    """A value every minute."""
    return {f"2026-01-{1 + m // 1440:02}T{m // 60 % 24:02}:{m % 60:02}:00.000Z": 2.5 + m / 7 for m in range(points)}


INPUTS: dict[str, dict[str, object]] = {
    "nothing": {"x": 1},
    "ten": {"x": 1},
    "series": {"s": series(1440)},
    "figure": {"points": 1500},
    "RUL": {"inp_series": measured(), "limit": 1.3, "num_days_forecast": 30},
}
"""Of a request for each."""


def _rul() -> list[Revision]:
    """The workflow that is compared with numpy, under a name of its own."""
    *parts, whole = revisions()
    return [*parts, msgspec.structs.replace(whole, id="RUL")]


def _component(name: str, code: str, given: Input, made: Output) -> Revision:
    return _revision(name, given, made, component=Component(code))


def _chain(name: str, length: int) -> Revision:
    """So many operators that do nothing, one behind the other."""
    ids = [f"o{number}" for number in range(length)]
    ends = [End("x"), *(End("x", each) for each in ids), End("x")]
    links = tuple(Link(start, end) for start, end in itertools.pairwise(ends))
    operators = tuple(Operator(each, each, "nothing") for each in ids)
    return _revision(name, Input("x", DataType.FLOAT), Output("x", DataType.FLOAT), workflow=Workflow(operators, links))


def _revision(name: str, given: Input, made: Output, **content: Any) -> Revision:
    return Revision(
        id=name,
        revision_group_id=name,
        name=name,
        version_tag="1.0.0",
        state="Released",
        inputs=(given,),
        outputs=(made,),
        **content,
    )
