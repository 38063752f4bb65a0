"""Requests in process: whatever a message is, its outcome is a response."""

import asyncio
import json
from typing import Any

import msgspec
import orjson
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.api.frames import Revisions
from kafkatrigger.api.transforming import Mode, Transforming
from kafkatrigger.runtime.function import Message
from kafkatrigger.runtime.serving.requests import RequestHandler
from tests.support.transformations import component

ECHO = component("Echo", "def main(*, x):\n    return {'x': x}\n", "x: ANY = null", "x: ANY")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["Echo", "x", "kafka"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def some(*names: str, of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these names."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, of))


WIRED = some("workflow_input_name", "workflowOutputName", "adapter_id", "filters", "ref_id", "sinkId", of=JSON)
WIRING = some("input_wirings", "outputWirings", "dashboard_positionings", of=st.lists(WIRED, max_size=2) | JSON)
REQUEST = some(
    "id",
    "revision_group_id",
    "job_id",
    "run_pure_plot_operators",
    "workflowId",
    "workflow_id",
    "configuration",
    of=JSON,
)
REQUESTS = st.builds(
    lambda request, wiring: request | wiring,
    REQUEST,
    some("wiring", "workflow_wiring", "workflowWiring", of=WIRING | JSON),
)


def answered(value: bytes | None, mode: Mode) -> dict[str, Any]:
    handler = RequestHandler(Transforming(mode=mode), {})
    handler.update(Revisions([(True, msgspec.json.encode(ECHO))]))
    outcome = asyncio.run(handler.run(Message(value)))
    assert isinstance(outcome, bytes)
    found: dict[str, Any] = orjson.loads(outcome)
    assert found["job_id"]
    assert (found["result"] == "failure") == (found["error"] is not None)
    return found


@given(
    st.none() | st.binary() | REQUESTS.map(lambda each: json.dumps(each).encode()),
    st.sampled_from(["Execute", "WorkflowExecution06"]),
)
def test_whatever_it_is_it_is_answered(value: bytes | None, mode: Mode) -> None:
    answered(value, mode)


@given(JSON)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    text = json.dumps(json.dumps(value))
    request = {"id": "Echo", "wiring": {"input_wirings": [{"workflow_input_name": "x", "filters": {"value": text}}]}}
    assert answered(orjson.dumps(request), "Execute")["result"] == "ok"
