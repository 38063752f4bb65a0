"""One transformation for every message, in a real worker."""

import uuid
from collections.abc import Callable

import orjson
import pytest

from kafkatrigger.api.frames import NotRun, Outputs
from kafkatrigger.api.transforming import WiredInput, WiredOutput
from kafkatrigger.runtime.transformations.model import Constant, Revision
from tests.integration.runtime.client import Runtime
from tests.integration.runtime.transforming import ADD, DOES, TWICE, failed, outputs, response, stream
from tests.support.transformations import component, end, workflow

X = WiredInput(name="x", expression="value.x")
ACTION = WiredInput(name="action", expression="value")
SEVERAL = component(
    "Several",
    "def main(*, x):\n    return {'less': x - 1, 'more': x + 1, 'plot': {'data': [x]}}\n",
    "x: FLOAT",
    "less: FLOAT, more: FLOAT, plot: PLOTLYJSON",
)
ANY = component("Any", "def main(*, x):\n    return {'x': x}\n", "x: ANY", "x: ANY")
PLOT = component("Plot", "def main(*, x):\n    return {'plot': {'data': [x]}}\n", "x: FLOAT", "plot: PLOTLYJSON")


def test_a_message_is_answered_with_the_response(runtime: Runtime) -> None:
    _, data = runtime.start(stream([TWICE, ADD], [X]))
    first, second = data.run_side_by_side({"x": 1}, {"x": 2.5})
    assert (outputs(first), outputs(second)) == ({"sum": 3}, {"sum": 4.5})


def test_expressions_reach_all_of_a_message(runtime: Runtime) -> None:
    expression = "[value, key, headers.h, topic, partition, offset, timestamp]"
    _, data = runtime.start(stream([ANY], [WiredInput(name="x", expression=expression)]))
    (outcome,) = data.run_side_by_side({"a": 1}, headers=[("h", b"one"), ("h", b"two")])
    assert outputs(outcome) == {"x": [{"a": 1}, "key-0", "two", "readings", 3, 0, 1_780_000_000_000]}


def test_constants_and_defaults(runtime: Runtime) -> None:
    for y, total in (
        (WiredInput(name="y", value=10), 11),
        (WiredInput(name="y", use_default=True), 2),
        (WiredInput(name="y", expression="value.y"), 2),
    ):
        _, data = runtime.start(stream([ADD], [X, y]))
        assert outputs(data.run_side_by_side({"x": 1})[0]) == {"sum": total}


def test_a_constant_is_new_in_every_run(runtime: Runtime) -> None:
    grows = component("Grows", "def main(*, x):\n    x.append(1)\n    return {'n': len(x)}\n", "x: ANY", "n: INT")
    _, data = runtime.start(stream([grows], [WiredInput(name="x", value="[]")]))
    assert [outputs(each) for each in data.run_side_by_side(1, 2)] == [{"n": 1}, {"n": 1}]


def test_a_tombstone_is_a_message(runtime: Runtime) -> None:
    _, data = runtime.start(stream([ANY], [WiredInput(name="x", expression="key")]))
    assert outputs(data.run_side_by_side(None)[0]) == {"x": "key-0"}


def test_what_is_not_in_the_message_is_named(runtime: Runtime) -> None:
    _, data = runtime.start(stream([ADD], [X]))
    failure = failed(data.run_side_by_side({"y": 1})[0])
    assert failure.message == "the input 'x' has no default, and 'value.x' finds nothing in the message"
    assert (failure.error_class, failure.permanent) == ("InvalidData", True)
    failure = failed(data.run_side_by_side({"x": "much"}, batch=2, keys=[b"b"])[0])
    assert failure.message.startswith("the input 'x': 'much' is no FLOAT")
    assert failure.permanent


def test_values_in_the_form_of_hetida_designer(runtime: Runtime) -> None:
    def wired(name: str, **filters: str | None) -> WiredInput:
        return WiredInput(name=name, adapter="kafka", filters=filters)

    _, data = runtime.start(
        stream([ADD], [wired("x", message_value_key="first"), wired("y", message_value_key="k:second")])
    )
    job = str(uuid.uuid4())
    values = {"first": {"value": 1, "data_type": "FLOAT"}, "second": {"value": 2, "data_type": "FLOAT"}}
    good, bad = data.run_side_by_side({"values": values, "job_id": job}, {"values": {"first": {"value": 1}}})
    assert outputs(good) == {"sum": 3}
    assert response(good)["job_id"] == job
    assert failed(bad).message == "the input 'y': the message has no values['k:second'] with a value in it"
    _, data = runtime.start(stream([ADD], [wired("x")]))
    assert outputs(data.run_side_by_side({"value": {"value": 5, "data_type": "FLOAT"}})[0]) == {"sum": 6}


def test_job_ids_are_the_same_at_every_attempt(runtime: Runtime) -> None:
    _, data = runtime.start(stream([ADD], [X]))
    first, second = (response(data.run_side_by_side({"x": 1}, batch=batch)[0])["job_id"] for batch in (1, 2))
    assert first == second == str(uuid.UUID(first))


def test_outputs_to_topics(runtime: Runtime) -> None:
    outs = (
        WiredOutput(name="less", topic="a"),
        WiredOutput(name="more", topic="a"),
        WiredOutput(name="plot", topic="b"),
    )
    _, data = runtime.start(stream([SEVERAL], [X], *outs))
    (outcome,) = data.run_side_by_side({"x": 2})
    assert isinstance(outcome, Outputs)
    assert [(each.topic, each.source_key) for each in outcome.outputs] == [("", True), ("a", True), ("b", True)]
    answered, both, one = (orjson.loads(each.value or b"") for each in outcome.outputs)
    assert answered["output_results_by_output_name"] == {}
    assert both.keys() == {"transformation_id", "job_id", "message_creation_timestamp", "values"}
    assert (both["transformation_id"], both["job_id"]) == ("Several", answered["job_id"])
    assert both["values"] == {"less": {"value": 1, "data_type": "FLOAT"}, "more": {"value": 3, "data_type": "FLOAT"}}
    assert one["value"] == {"value": {"data": [2]}, "data_type": "PLOTLYJSON", "output_name": "plot"}


def test_plots_are_made_when_the_wiring_names_them(runtime: Runtime) -> None:
    for named, made in (((), {}), ((WiredOutput(name="plot"),), {"data": [1]})):
        _, data = runtime.start(stream([PLOT], [X], *named))
        assert outputs(data.run_side_by_side({"x": 1})[0]) == {"plot": made}


def test_a_component_that_fails_fails_the_attempt(runtime: Runtime) -> None:
    outer = workflow(
        "Outer", {"inner": "Does"}, "action -> inner.action, inner.done -> done", "action: STRING", "done: STRING"
    )
    _, data = runtime.start(stream([outer, DOES], [ACTION]))
    outcomes = data.run_side_by_side(
        "raise", "permanent", "retriable", "exit", "fine", "after", keys=[b"a", b"b", b"c", b"d", b"e", b"a"]
    )
    raised, permanent, retriable, exited = map(failed, outcomes[:4])
    assert (raised.reason, raised.permanent) == ("FunctionFailed", False)
    assert raised.error_class == "Unwell"
    assert raised.message.startswith("not today (Outer > inner, COMPONENT CODE, main, line 10)")
    assert [each.permanent for each in (permanent, retriable, exited)] == [True, False, False]
    assert exited.error_class == "SystemExit"
    assert outputs(outcomes[4]) == {"done": "fine"}
    assert outcomes[5] == NotRun()


def test_an_output_that_is_no_json_is_an_invalid_result(runtime: Runtime) -> None:
    odd = component("Odd", "def main(*, x):\n    return {'y': object()}\n", "x: ANY", "y: ANY")
    _, data = runtime.start(stream([odd], [WiredInput(name="x", expression="value")]))
    failure = failed(data.run_side_by_side(1)[0])
    assert (failure.reason, failure.permanent) == ("InvalidResult", True)


CYCLE = workflow("Cycle", {"a": "Add", "b": "Add"}, "a.sum -> b.x, b.sum -> a.x, a.sum -> sum", "", "sum: FLOAT")
DANGLING = workflow("Dangling", {"a": "Add"}, "x -> a.x, a.total -> sum", "x: FLOAT", "sum: FLOAT")
MISMATCH = workflow("Mismatch", {"a": "Add"}, "x -> a.x, a.sum -> sum", "x: STRING", "sum: FLOAT")
WRONG_CONSTANT = workflow(
    "Wrong", {"a": "Add"}, "a.sum -> sum", "", "sum: FLOAT", constants=(Constant(end("a.x"), "much"),)
)
UNLOADABLE = component("Unloadable", "import nothing_of_that_name\n\ndef main(*, x):\n    return {}\n", "x: ANY")


@pytest.mark.parametrize(
    ("revisions", "inputs", "sentence"),
    [
        ([CYCLE, ADD], [], "the workflow 'Cycle' (1.0.0): its links are a cycle: "),
        ([DANGLING, ADD], [X], "a link or constant names 'total' of 'a', which is not there"),
        ([MISMATCH, ADD], [X], "a link leads from 'x' of the workflow itself, which is STRING, to 'x' of 'a', which is FLOAT"),
        ([WRONG_CONSTANT, ADD], [], "the constant or default of 'x' of 'a': 'much' is no FLOAT"),
        ([TWICE], [X], "its operator 'a' is the transformation Add, which is not there: add it"),
        ([UNLOADABLE], [WiredInput(name="x", value=1)], "No module named 'nothing_of_that_name'"),
        ([ADD], [], "'x' of the inputs have no default and no value: wire them"),
        ([ADD], [X, X], "'x': an input can be wired once, and is wired several times"),
        ([ADD], [X, WiredInput(name="z", value=1)], "'z': there is no such input; the transformation's are 'x', 'y'"),
        ([ADD], [WiredInput(name="x", value="much")], "the value of the input 'x': 'much' is no FLOAT"),
        ([ADD], [WiredInput(name="x", expression="value[")], "the input 'x': 'value[' is no JMESPath"),
        ([ADD], [WiredInput(name="x", adapter="sql", ref_id="t")], "the input 'x' is wired to the adapter 'sql', which is not there"),
        ([], [], "it cannot run: it did not come along"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_said_when_it_is_loaded(
    runtime: Runtime, revisions: list[Revision], inputs: list[WiredInput], sentence: str
) -> None:
    control = runtime.control()
    control.hello(stream(revisions, inputs))
    message = control.await_state(0, "failed").message
    assert message.startswith("the transformation it cannot run: ")
    assert sentence in message.replace("the transformation it cannot", "it cannot")


def test_megabytes_of_transformations(runtime: Runtime) -> None:
    code = f"TEXT = {'x' * 5_000_000!r}\n\ndef main(*, x):\n    return {{'n': len(TEXT)}}\n"
    _, data = runtime.start(stream([component("Large", code, "x: FLOAT", "n: INT")], [X]))
    assert outputs(data.run_side_by_side({"x": 1})[0]) == {"n": 5_000_000}


def test_computing_messages_start_one_after_another(runtime: Runtime) -> None:
    _, data = runtime.start(stream([DOES], [ACTION], timeout=0.5))
    outcomes = data.run_side_by_side(*["compute"] * 12)
    assert [outputs(each) for each in outcomes] == [{"done": "compute"}] * 12


def test_side_by_side_where_components_wait(start_runtime: Callable[..., Runtime]) -> None:
    runtime = start_runtime()
    waits = component(
        "Waits", "import asyncio\n\nasync def main(*, x):\n    await asyncio.sleep(0.5)\n    return {}\n", "x: ANY"
    )
    for revision, concurrency in ((waits, 32), (ANY, 1)):
        control, _ = runtime.start(stream([revision], [WiredInput(name="x", expression="value")]))
        assert control.states[0].concurrency == concurrency
