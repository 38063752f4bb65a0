"""Adapters in a real worker: in the wiring of a stream, and in those of requests."""

import json
from pathlib import Path
from typing import Any

import pytest

from kafkatrigger.api.adapters import AdapterSettings
from kafkatrigger.api.transforming import WiredInput, WiredOutput
from tests.integration.runtime.client import Runtime
from tests.integration.runtime.transforming import ADD, error, failed, known, outputs, request, requests, stream
from tests.unit.runtime.transformations.helpers import component


@pytest.fixture
def files(tmp_path: Path) -> AdapterSettings:
    """A folder that may be read and written, with a number in it."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "y.json").write_text("41")
    folder = [str(tmp_path / "files")]
    return AdapterSettings("files", "local_file", {"folders": folder, "writableFolders": folder})


NOWHERE = AdapterSettings("nowhere", "rest", {"baseUrl": "http://127.0.0.1:9", "sources": ["*"]})
X = WiredInput(name="x", expression="value")


def test_a_stream_with_adapters(runtime: Runtime, files: AdapterSettings, tmp_path: Path) -> None:
    y = WiredInput(name="y", adapter="files", ref_id="y.json")
    total = WiredOutput(name="sum", adapter="files", ref_id="sum.json")
    control, data = runtime.start(stream([ADD], [X, y], total, adapters=(files,)))
    assert control.states[0].concurrency == 32
    assert outputs(data.run_side_by_side(1)[0]) == {}
    assert json.loads((tmp_path / "files" / "sum.json").read_text()) == 42


def wiring(adapter: str, ref_id: str) -> dict[str, Any]:
    x = {"workflow_input_name": "x", "filters": {"value": "1"}}
    return {"input_wirings": [x, {"workflow_input_name": "y", "adapter_id": adapter, "ref_id": ref_id}]}


def test_requests_reach_the_adapters_that_the_trigger_has(runtime: Runtime, files: AdapterSettings) -> None:
    _, data = runtime.start(requests(adapters=(files,)))
    data.send(known(ADD))
    asked = [wiring("files", "y.json"), wiring("files", "../log"), wiring("other", "y.json")]
    good, outside, unknown = data.run_side_by_side(*(request("Add", wiring=each) for each in asked))
    assert outputs(good) == {"sum": 42}
    assert (error(outside)["type"], error(outside)["process_stage"]) == ("AdapterFailed", "LOADING_DATA_FROM_ADAPTERS")
    assert error(unknown)["message"].startswith("the input 'y' is wired to the adapter 'other', which is not there")


def test_an_adapter_that_cannot_reach_what_it_needs_is_for_the_consumer_to_retry(runtime: Runtime) -> None:
    count = component("Count", "def main(*, s):\n    return {'n': len(s)}\n", "s: DATAFRAME", "n: INT")
    wired = {"workflow_input_name": "s", "adapter_id": "nowhere", "ref_id": "s"}
    _, data = runtime.start(requests(adapters=(NOWHERE,)))
    data.send(known(count))
    failures = [failed(data.run_side_by_side(request("Count", wiring={"input_wirings": [wired]}))[0])]
    _, data = runtime.start(stream([count], [WiredInput(name="s", adapter="nowhere", ref_id="s")], adapters=(NOWHERE,)))
    failures.append(failed(data.run_side_by_side(1)[0]))
    assert [(each.reason, each.error_class, each.permanent) for each in failures] == [
        ("FunctionFailed", "AdapterFailed", False)
    ] * 2


@pytest.mark.parametrize(
    ("adapter", "sentence"),
    [
        (AdapterSettings("a", "punched_cards"), "the adapter 'a' (punched_cards): there is no such type here"),
        (AdapterSettings("kafka", "local_file"), "an adapter of the trigger is called 'kafka'"),
    ],
)
def test_adapters_that_cannot_be_made_are_said_when_they_are_loaded(
    runtime: Runtime, adapter: AdapterSettings, sentence: str
) -> None:
    control = runtime.control()
    control.hello(requests(adapters=(adapter,)))
    assert sentence in control.await_state(0, "failed").message
