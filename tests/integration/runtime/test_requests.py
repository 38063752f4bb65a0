"""Messages that say which transformation runs, in a real worker: whatever they are, they get a response."""

import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest

from kafkatrigger.api.frames import Outputs, Revisions
from kafkatrigger.runtime.transformations.model import Revision
from kafkatrigger.runtime.transformations.wiring import from_json
from tests.integration.runtime.client import Control, Data, Runtime, batch_of
from tests.integration.runtime.transforming import (
    ADD,
    DOES,
    TWICE,
    error,
    failed,
    known,
    outputs,
    request,
    requests,
    response,
    spec,
)
from tests.support.transformations import component, workflow

JOB = str(uuid.uuid4())
ECHO = component("Echo", "def main(*, x):\n    return {'x': x}\n", "x: ANY", "x: ANY")
SERIES = component(
    "Series", "def main(*, s):\n    return {'s': s, 'first': s.index[0]}\n", "s: SERIES", "s: SERIES, first: ANY"
)


def session(runtime: Runtime, *revisions: Revision, **options: Any) -> Data:
    """A connection that knows these revisions."""
    _, data = runtime.start(requests(**options))
    data.send(known(*revisions))
    return data


def test_a_request_is_answered(runtime: Runtime) -> None:
    data = session(runtime, ADD, TWICE)
    first, second = data.run_side_by_side(request("Add", JOB, x="1", y="2"), request("Twice", x="1"))
    assert (outputs(first), outputs(second)) == ({"sum": 3}, {"sum": 3})
    assert response(first)["job_id"] == JOB
    assert uuid.UUID(response(second)["job_id"])


def test_without_a_wiring_the_test_wiring_is_used(runtime: Runtime) -> None:
    wiring = from_json({"input_wirings": [{"workflow_input_name": "x", "filters": {"value": "4"}}]})
    data = session(runtime, msgspec.structs.replace(ADD, test_wiring=wiring))
    assert outputs(data.run_side_by_side(request("Add", wiring=None))[0]) == {"sum": 5}


def released(number: int, when: str | None, state: Any = "Released") -> Revision:
    code = f"def main():\n    return {{'n': {number}}}\n"
    revision = component(f"r{number}", code, "", "n: INT")
    return msgspec.structs.replace(revision, revision_group_id="g", released_timestamp=when, state=state)


def test_the_latest_of_a_group(runtime: Runtime) -> None:
    draft = released(9, None, "Draft")
    disabled = released(8, "2026-12-01T00:00:00Z", "Disabled")
    data = session(
        runtime, released(1, "2026-01-01T00:00:00+00:00"), released(2, "2026-01-01T01:30:00+02:00"), draft, disabled
    )
    latest = {"revision_group_id": "g", "wiring": None}
    assert outputs(data.run_side_by_side(latest)[0]) == {"n": 1}
    data.send(known(released(3, "2026-02-01T00:00:00Z")))
    assert outputs(data.run_side_by_side(latest, batch=2)[0]) == {"n": 3}
    assert outputs(data.run_side_by_side({"id": "r9", "wiring": None}, batch=3)[0]) == {"n": 9}
    unknown = error(data.run_side_by_side({"revision_group_id": "h"}, batch=4)[0])
    assert unknown["type"] == "UnknownTransformation"


def test_what_changes_changes_what_contains_it(runtime: Runtime) -> None:
    data = session(runtime, ADD, TWICE)
    assert outputs(data.run_side_by_side(request("Twice", x="1"))[0]) == {"sum": 3}
    code = "def main(*, x, y):\n    return {'sum': x * 10}\n"
    data.send(known(component("Add", code, "x: FLOAT, y: FLOAT = 1", "sum: FLOAT")))
    assert outputs(data.run_side_by_side(request("Twice", x="1"), batch=2)[0]) == {"sum": 100}
    data.send(known(removed=["Add"]))
    missing = error(data.run_side_by_side(request("Twice", x="1"), batch=3)[0])
    assert missing["type"] == "InvalidTransformation"
    assert "its operator 'a' is the transformation Add, which is not there" in missing["message"]
    assert error(data.run_side_by_side(request("Add", x="1"), batch=4)[0])["type"] == "UnknownTransformation"


def test_a_connection_begins_without_transformations(runtime: Runtime) -> None:
    control, data = runtime.start(requests())
    data.send(known(ADD))
    assert outputs(data.run_side_by_side(request("Add", x="1"))[0]) == {"sum": 2}
    data.close()
    again = runtime.data(control.session)
    assert error(again.run_side_by_side(request("Add", x="1"))[0])["type"] == "UnknownTransformation"
    again.send(known(ADD))
    assert outputs(again.run_side_by_side(request("Add", x="1"), batch=2)[0]) == {"sum": 2}


def test_what_may_not_be_requested_is_for_others_alone(runtime: Runtime) -> None:
    _, data = runtime.start(requests())
    data.send(Revisions([(False, spec(ADD)), (True, spec(TWICE))]))
    whole, part = data.run_side_by_side(request("Twice", x="1"), request("Add", x="1"))
    assert outputs(whole) == {"sum": 3}
    assert error(part)["type"] == "UnknownTransformation"
    data.send(Revisions([(False, spec(TWICE)), (True, spec(ADD))]))
    whole, part = data.run_side_by_side(request("Twice", x="1"), request("Add", x="1"), batch=2)
    assert (error(whole)["type"], outputs(part)) == ("UnknownTransformation", {"sum": 2})


def test_a_transformation_that_cannot_be_read_is_told_to_who_asks_for_it(runtime: Runtime) -> None:
    _, data = runtime.start(requests())
    data.send(Revisions([(True, b'{"id":"Odd","name":1}'), (True, b"{"), (True, b"[]"), (True, spec(ADD))]))
    odd, good = data.run_side_by_side(request("Odd"), request("Add", x="1"))
    assert error(odd)["message"].startswith("the transformation Odd cannot be read: Expected `str`, got `int`")
    assert outputs(good) == {"sum": 2}
    data.send(known(msgspec.structs.replace(ECHO, id="Odd")))
    assert outputs(data.run_side_by_side(request("Odd", x="1"), batch=2)[0]) == {"x": 1}


SHOWN = component("Shown", "def main(*, x):\n    return {'p': {'data': [x]}}\n", "x: INT", "p: PLOTLYJSON")


def test_plots_are_made_when_they_are_asked_for(runtime: Runtime) -> None:
    data = session(runtime, SHOWN)
    asked = request("Shown", x="1")
    first, second = data.run_side_by_side(asked, asked | {"run_pure_plot_operators": True})
    assert (outputs(first), outputs(second)) == ({"p": {}}, {"p": {"data": [1]}})


WIRED = {"workflow_input_name": "x", "adapter_id": "direct_provisioning", "filters": {"value": "3"}, "id": "ignored"}
WIRED_WEB = {"id": "ignored", "workflowInputName": "x", "adapterId": "direct_provisioning", "filters": {"value": "3"}}


@pytest.mark.parametrize(
    "wiring",
    [
        {"input_wirings": [WIRED], "output_wirings": [{"workflow_output_name": "x", "adapter_id": "direct_provisioning"}]},
        {"name": "STANDARD-WIRING", "inputWirings": [WIRED_WEB], "outputWirings": [{"workflowOutputName": "x", "adapterId": 1}]},
    ],
)  # fmt: skip
def test_requests_of_0_6(runtime: Runtime, wiring: Any) -> None:
    data = session(runtime, ECHO, mode="WorkflowExecution06")
    configuration = {"engine": "plain", "name": "Echo", "run_pure_plot_operators": True}
    asked = orjson.dumps(
        {"workflowId": "Echo", "configuration": configuration, "workflow_wiring": wiring, "job_id": JOB}
    )
    whole, prefixed, junk = data.run_side_by_side(asked, b"test_executionissuer_1:" + asked, b"key:{")
    assert (outputs(whole), outputs(prefixed)) == ({"x": 3}, {"x": 3})
    assert response(whole)["job_id"] == JOB
    assert error(junk)["type"] == "InvalidRequest"


def test_in_requests_of_0_6_sources_and_sinks_are_references(runtime: Runtime) -> None:
    data = session(runtime, ECHO, mode="WorkflowExecution06", topics=("out",))
    wiring = {
        "input_wirings": [WIRED],
        "output_wirings": [{"workflow_output_name": "x", "adapter_id": "kafka", "sink_id": "out"}],
    }
    (outcome,) = data.run_side_by_side({"workflowId": "Echo", "workflow_wiring": wiring})
    assert isinstance(outcome, Outputs)
    assert [each.topic for each in outcome.outputs] == ["", "out"]


def to_topic(topic: str) -> dict[str, Any]:
    return {
        "input_wirings": [WIRED],
        "output_wirings": [{"workflow_output_name": "x", "adapter_id": "kafka", "ref_id": topic}],
    }


def test_outputs_to_topics_that_the_trigger_allows(runtime: Runtime) -> None:
    data = session(runtime, ECHO, topics=("out",))
    good, bad = data.run_side_by_side(request("Echo", JOB, to_topic("out")), request("Echo", wiring=to_topic("other")))
    assert isinstance(good, Outputs)
    answered, record = good.outputs
    assert orjson.loads(answered.value or b"")["output_results_by_output_name"] == {}
    written = orjson.loads(record.value or b"")
    assert (record.topic, record.source_key, written["job_id"]) == ("out", True, JOB)
    assert written["value"] == {"value": 3, "data_type": "ANY", "output_name": "x"}
    assert error(bad)["message"] == (
        "the output 'x' may not be written to the topic 'other': those that the trigger allows are 'out'"
    )


def test_values_of_the_request_itself(runtime: Runtime) -> None:
    data = session(runtime, ECHO)
    wiring = {
        "input_wirings": [{"workflow_input_name": "x", "adapter_id": "kafka", "filters": {"message_value_key": "k"}}]
    }
    good, bad = data.run_side_by_side(
        request("Echo", wiring=wiring) | {"values": {"k": {"value": 7, "data_type": "INT"}}},
        request("Echo", wiring=wiring),
    )
    assert outputs(good) == {"x": 7}
    assert error(bad)["type"] == "InvalidData"


@pytest.mark.parametrize(
    ("value", "kind", "sentence"),
    [
        (b"{no json", "InvalidRequest", "the request is no JSON: "),
        (b"\xff\xfe", "InvalidRequest", "the request is no JSON: "),
        (b"", "InvalidRequest", "the request is no JSON: "),
        (None, "InvalidRequest", "the request has no value: send a JSON object"),
        ([1], "InvalidRequest", "the request is a list: send a JSON object"),
        ({}, "InvalidRequest", "the request has to have either id or revision_group_id"),
        ({"id": "Echo", "revision_group_id": "g"}, "InvalidRequest", "the request has to have either id or revision_group_id"),
        ({"id": 5}, "InvalidRequest", "the request cannot be read: Expected `str | null`, got `int` - at `$.id`"),
        (request("None"), "UnknownTransformation", "there is no transformation 'None' that may be requested"),
        (request("Echo", wiring=5), "InvalidWiring", "the wiring cannot be read: Expected `object`, got `int`"),
        (request("Echo"), "InvalidWiring", "'x' of the inputs have no default and no value: wire them"),
        (request("Echo", x="1", y="2"), "InvalidWiring", "'y': there is no such input; the transformation's are 'x'"),
        (request("Echo", wiring={"input_wirings": [WIRED, WIRED]}), "InvalidWiring", "'x': an input can be wired once"),
        (request("Echo", wiring={"input_wirings": [WIRED | {"adapter_id": "sql"}]}), "InvalidWiring", "the input 'x' is wired to the adapter 'sql', which is not there"),
        (request("Echo", wiring={"input_wirings": [{**WIRED, "filters": {}}]}), "InvalidWiring", "the input 'x' is wired without a value: set filters.value"),
        (b'{"id":"Echo","wiring":' + b"[" * 900 + b"]" * 900 + b"}", "InvalidWiring", "the wiring cannot be read: "),
        (b'{"id":' + b"[" * 5000 + b"]" * 5000 + b"}", "InvalidRequest", "the request is no JSON: "),
        (request("Add", x="much"), "InvalidData", "the input 'x': 'much' is no FLOAT"),
        (request("Series", s="5"), "InvalidData", "the input 's': '5' is no SERIES"),
        (request("Cycle"), "InvalidTransformation", "the workflow 'Cycle' (1.0.0): its links are a cycle"),
        (request("Unloadable", x="1"), "ModuleNotFoundError", "the code cannot be loaded: ModuleNotFoundError"),
    ],
)  # fmt: skip
def test_whatever_is_wrong_is_answered(runtime: Runtime, value: Any, kind: str, sentence: str) -> None:
    cycle = workflow("Cycle", {"a": "Add", "b": "Add"}, "a.sum -> b.x, b.sum -> a.x, a.sum -> sum", "", "sum: FLOAT")
    unloadable = component("Unloadable", "import nothing_of_that_name\n\ndef main(*, x):\n    return {}\n", "x: ANY")
    data = session(runtime, ECHO, ADD, SERIES, cycle, unloadable)
    outcome, after = data.run_side_by_side(value, request("Echo", x="1"))
    found = error(outcome)
    assert (found["type"], found["message"][: len(sentence)]) == (kind, sentence)
    assert uuid.UUID(response(outcome)["job_id"])
    assert outputs(after) == {"x": 1}


def test_a_job_id_that_is_none_is_in_the_response(runtime: Runtime) -> None:
    data = session(runtime, ECHO)
    text, number = data.run_side_by_side(request("Echo", "mine", x="1"), request("Echo", x="1") | {"job_id": 5})
    assert (response(text)["job_id"], response(number)["job_id"]) == ("mine", "5")
    assert error(text)["message"] == "the job_id 'mine' is no UUID: leave it out, or send one"


def test_an_invalid_request_has_its_job_id_in_the_response(runtime: Runtime) -> None:
    data = session(runtime, ECHO)
    assert response(data.run_side_by_side({"job_id": JOB, "wiring": 3})[0])["job_id"] == JOB


def test_numbers_that_json_does_not_have(runtime: Runtime) -> None:
    data = session(runtime, ECHO)
    outcomes = data.run_side_by_side(*(request("Echo", x=text) for text in ("NaN", "Infinity", "[1, -Infinity]")))
    assert [outputs(each) for each in outcomes] == [{"x": None}, {"x": None}, {"x": [1, None]}]


def test_times_with_and_without_zone_and_entries_that_are_there_twice(runtime: Runtime) -> None:
    data = session(runtime, SERIES)
    split = '{"__hd_wrapped_data_object__":"SERIES","__metadata__":{},"__data__":{"name":null,"index":["2026-01-01T00:00:00Z","2026-01-01T00:00:00Z"],"data":[1,2]},"__data_parsing_options__":{"orient":"split"}}'
    texts = ['{"2026-01-01T00:00:00+01:00": 1}', '{"2026-01-01T00:00:00": null}', split]
    zoned, naive, twice = (
        outputs(each) for each in data.run_side_by_side(*(request("Series", s=text) for text in texts))
    )
    assert zoned["first"] == "2025-12-31T23:00:00.000Z"
    assert (naive["first"], naive["s"]["__data__"]["data"]) == ("2026-01-01T00:00:00.000", [None])
    assert (len(twice["s"]["__data__"]["index"]), twice["s"]["__data__"]["data"]) == (2, [1, 2])


def test_what_a_component_does_is_answered_and_ends_there(runtime: Runtime) -> None:
    data = session(runtime, DOES)
    outcomes = data.run_side_by_side(
        *(request("Does", action=each) for each in ("raise", "permanent", "exit", "fork", "print", "fine"))
    )
    raised, permanent, exited = map(error, outcomes[:3])
    assert (raised["type"], raised["message"], raised["process_stage"]) == (
        "Unwell",
        "not today",
        "EXECUTING_COMPONENT_CODE",
    )
    assert raised["location"] == {"file": "COMPONENT CODE", "function_name": "main", "line_number": 10}
    assert raised["operator_info"]["hierarchy_in_workflow"]["by_name"] == ["Does"]
    assert response(outcomes[0])["traceback"].rstrip().endswith("Unwell: not today")
    assert (permanent["type"], exited["type"]) == ("Permanent", "SystemExit")
    assert [outputs(each)["done"] for each in outcomes[3:]] == ["fork", "print", "fine"]
    assert "spoken" in runtime.log.read_text()


def test_what_is_retriable_is_for_the_consumer_to_retry(runtime: Runtime) -> None:
    data = session(runtime, DOES)
    failure = failed(data.run_side_by_side(request("Does", action="retriable"))[0])
    assert (failure.reason, failure.permanent) == ("FunctionFailed", False)
    assert failure.message.startswith("later (Does, COMPONENT CODE, main, line ")


@pytest.mark.parametrize(("action", "reason"), [("die", "WorkerCrashed"), ("block", "Timeout")])
def test_one_that_ends_its_worker_is_named(runtime: Runtime, action: str, reason: str) -> None:
    control, data = runtime.start(requests(timeout=1))
    data.send(known(DOES))
    asked = [request("Does", action=each) for each in ("fine", "wait", action)]
    data.send(batch_of(*asked, batch=7))
    exited = control.await_exit()
    assert exited.reason == reason
    assert (7, 2) in exited.suspects
    assert reason == "WorkerCrashed" or exited.suspects == [(7, 2)]
    serves_again(runtime, control)


def test_one_that_leaks_is_named(start_runtime: Callable[..., Runtime]) -> None:
    runtime = start_runtime(memory_limit=300 << 20)
    control, data = runtime.start(requests())
    data.send(known(DOES))
    data.send(batch_of(request("Does", action="leak"), batch=7))
    exited = control.await_exit()
    assert (exited.reason, exited.suspects) == ("OutOfMemory", [(7, 0)])
    serves_again(runtime, control)


def test_one_that_waits_too_long_is_cancelled_alone(runtime: Runtime) -> None:
    data = session(runtime, DOES, timeout=0.5)
    late, fine = data.run_side_by_side(request("Does", action="wait"), request("Does", action="fine"))
    assert (failed(late).reason, outputs(fine)) == ("Timeout", {"done": "fine"})


def test_a_function_is_given_no_transformations(runtime: Runtime) -> None:
    _, data = runtime.start_session("asynchronous")
    data.send(known(ADD))
    assert data.is_closed()


def serves_again(runtime: Runtime, control: Control) -> None:
    control.await_state(0, "ready")
    data = runtime.data(control.session)
    data.send(known(DOES))
    assert outputs(data.run_side_by_side(request("Does", action="fine"))[0]) == {"done": "fine"}
