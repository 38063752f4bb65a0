"""Running components and workflows: what comes out, and what is said where nothing can."""

import asyncio
import json
import math
import os
from typing import Any

import msgspec
import pytest

from kafkatrigger.runtime.transformations.execution import Library
from kafkatrigger.runtime.transformations.model import Constant, Operator, Revision, Workflow
from kafkatrigger.runtime.transformations.wiring import Wiring, from_json
from tests.support.transformations import component, end, error, outputs, run, wiring, workflow

ADD = component(
    "Add",
    "def main(*, x, y):\n    return {'sum': x + y}\n",
    "x: FLOAT, y: FLOAT = 1",
    "sum: FLOAT",
)
LATER = component(
    "Later",
    "import asyncio\n\nasync def main(*, x):\n    await asyncio.sleep(0)\n    return {'x': x * 2}\n",
    "x: ANY",
    "x: ANY",
)
PLOT = component("Plot", "def main(*, x):\n    return {'plot': {'data': [x]}}\n", "x: FLOAT", "plot: PLOTLYJSON")
REQUIRED = component("Required", "def main(*, x):\n    return {'x': x}\n", "x: FLOAT", "x: FLOAT")
TEXT = component("Text", "def main(*, text):\n    return {'text': text}\n", "text: STRING", "text: STRING")


def raising(statement: str) -> Revision:
    return component(
        "Raises", f"def main(*, x):\n    helper(x)\n\ndef helper(x):\n    {statement}\n", "x: ANY = 0", "y: ANY"
    )


def test_a_component() -> None:
    assert outputs([ADD], wiring(x="1.5", y="2")) == {"sum": 3.5}
    assert outputs([ADD], wiring(x="1.5")) == {"sum": 2.5}


def test_an_async_component() -> None:
    assert outputs([LATER], wiring(x="4")) == {"x": 8}


def test_a_response_says_what_it_is_and_how_long_it_took() -> None:
    response = run([ADD], wiring(x="1"), job_id="mine")
    assert list(response) == [
        "error",
        "output_results_by_output_name",
        "traceback",
        "job_id",
        "measured_steps",
        "result",
        "output_types_by_output_name",
        "process_id",
        "node_results",
    ]
    assert (response["job_id"], response["result"], response["error"]) == ("mine", "ok", None)
    assert response["output_types_by_output_name"] == {"sum": "FLOAT"}
    steps = response["measured_steps"]
    assert set(steps) == {
        "internal_full",
        "prepare_execution_input",
        "run_execution_input",
        "runtime_service_handling",
        "pure_execution",
        "load_data",
        "send_data",
    }
    assert all(name == step["name"] and step["duration"] >= 0 for name, step in steps.items())
    assert run([ADD], wiring(x="1"))["job_id"] != run([ADD], wiring(x="1"))["job_id"]


TWICE = workflow(
    "Twice",
    {"a": "Add", "b": "Add"},
    "x -> a.x, a.sum -> b.x, y -> b.y, b.sum -> sum",
    "x: FLOAT, y: FLOAT = 10",
    "sum: FLOAT",
    constants=(Constant(end("a.y"), "100"),),
)


def test_a_workflow_with_a_constant_and_an_optional_input() -> None:
    response = run([ADD, TWICE], wiring(x="1"))
    assert response["output_results_by_output_name"] == {"sum": 111.0}
    assert [each["name"] for each in response["node_results"]] == ["Twice > a", "Twice > b"]


def test_nested_workflows() -> None:
    outer = workflow(
        "Outer",
        {"inner": "Twice", "last": "Add", "later": "Later"},
        "x -> inner.x, inner.sum -> last.x, last.sum -> later.x, later.x -> out, x -> same",
        "x: FLOAT",
        "out: FLOAT, same: FLOAT",
    )
    response = run([ADD, LATER, TWICE, outer], wiring(x="1"))
    assert response["output_results_by_output_name"] == {"out": 224.0, "same": 1.0}
    assert [each["name"] for each in response["node_results"]] == [
        "Outer > inner > a",
        "Outer > inner > b",
        "Outer > last",
        "Outer > later",
    ]


def test_code_asks_whether_its_plot_is_looked_at() -> None:
    code = "from hdutils import plot_output_needed\ndef main(*, x):\n    return {'x': plot_output_needed('plot')}\n"
    asking = component("Asking", code, "x: ANY = 0", "x: BOOLEAN")
    assert outputs([asking]) == {"x": False}
    assert outputs([asking], run_pure_plot_operators=True) == {"x": True}


def test_code_of_old_components() -> None:
    code = """
from hetdesrun.component.registration import register
from hetdesrun.datatypes import DataType
from hetdesrun.utils import plotly_fig_to_json_dict

@register(inputs={"x": DataType.Float}, outputs={"x": DataType.Any})
def main(*, x):
    return {"x": [x, DataType.MultiTSFrame]}
"""
    assert outputs([component("Old", code, "x: FLOAT = 1.5", "x: ANY")]) == {"x": [1.5, "MULTITSFRAME"]}


def test_names_that_libraries_have_removed() -> None:
    code = """
import numpy as np
from scipy import integrate
from scipy.integrate import cumtrapz

def main(*, y):
    return {"y": [integrate.trapz(y), cumtrapz(y)[-1], np.in1d([1], y)[0], np.NaN]}
"""
    assert outputs([component("Elder", code, "y: SERIES", "y: ANY")], wiring(y="[1.5, 1, 2.5]")) == {
        "y": [3, 3, True, None]
    }


def test_an_optional_input_may_be_null() -> None:
    optional = component("Optional", "def main(*, x):\n    return {'x': x is None}\n", 'x: FLOAT = "1"', "x: BOOLEAN")
    assert outputs([optional], wiring(x="null")) == {"x": True}
    assert "is no FLOAT" in error([REQUIRED], wiring(x="null"))["message"]


def test_pure_plot_operators_run_when_they_are_asked_for() -> None:
    shown = workflow(
        "Shown",
        {"p": "Plot", "a": "Add"},
        "x -> p.x, x -> a.x, p.plot -> p, a.sum -> s",
        "x: FLOAT",
        "p: PLOTLYJSON, s: FLOAT",
    )
    assert outputs([PLOT, ADD, shown], wiring(x="1")) == {"p": {}, "s": 2.0}
    assert outputs([PLOT, ADD, shown], wiring(x="1"), run_pure_plot_operators=True) == {"p": {"data": [1.0]}, "s": 2.0}


def test_code_is_compiled_once_and_keeps_its_globals() -> None:
    counts = component(
        "Counts", "seen = []\n\ndef main():\n    seen.append(1)\n    return {'n': len(seen)}\n", "", "n: INT"
    )
    library = Library([counts])
    found = [asyncio.run(library.run("Counts")).output_results_by_output_name["n"] for _ in range(3)]
    assert [bytes(each) for each in found] == [b"1", b"2", b"3"]


def test_what_a_component_does_to_a_constant_ends_with_the_run() -> None:
    grow = component(
        "Grow", "def main(*, items):\n    items.append(1)\n    return {'n': len(items)}\n", "items: ANY = []", "n: INT"
    )
    library = Library([grow, workflow("W", {"g": "Grow"}, "g.n -> n", "", "n: INT")])
    for _ in range(2):
        assert bytes(asyncio.run(library.run("W")).output_results_by_output_name["n"]) == b"1"


def test_objects_not_json_pass_along_links() -> None:
    make = component("Make", "def main():\n    return {'x': object}\n", "", "x: ANY")
    use = component("Use", "def main(*, x):\n    return {'same': x is object}\n", "x: ANY", "same: BOOLEAN")
    assert outputs(
        [make, use, workflow("W", {"m": "Make", "u": "Use"}, "m.x -> u.x, u.same -> same", "", "same: BOOLEAN")]
    ) == {"same": True}


def test_hdutils_is_there_for_component_code() -> None:
    code = """
from dataclasses import dataclass

from hdutils import ComponentInputValidationException, parse_default_value, plotly_fig_to_json_dict
import plotly.graph_objects as go

COMPONENT_INFO = {"inputs": {"limits": {"data_type": "SERIES", "default_value": "[1,2]"}}}


@dataclass
class Bar:
    height: "float"


def main(*, limits=parse_default_value(COMPONENT_INFO, "limits")):
    bars = [Bar(each) for each in limits]
    figure = go.Figure(go.Bar(y=[bar.height for bar in bars]), layout={"template": None})
    return {"plot": plotly_fig_to_json_dict(figure)}
"""
    plot = component("Bars", code, 'limits: SERIES = "[1,2]"', "plot: PLOTLYJSON")
    (figure,) = outputs([plot], run_pure_plot_operators=True).values()
    assert figure["data"] == [{"type": "bar", "y": [1, 2]}]


def test_a_component_that_raises() -> None:
    response = run(
        [raising("raise KeyError('no such sensor')"), workflow("W", {"first": "Raises"}, "first.y -> y", "", "y: ANY")]
    )
    assert response["result"] == "failure"
    assert response["output_results_by_output_name"] == {}
    assert response["error"] == {
        "type": "KeyError",
        "error_code": None,
        "message": "'no such sensor'",
        "extra_information": None,
        "process_stage": "EXECUTING_COMPONENT_CODE",
        "operator_info": {
            "transformation_info": {"id": "Raises", "name": "Raises", "tag": "1.0.0", "type": "COMPONENT"},
            "hierarchy_in_workflow": {"by_name": ["W", "first"], "by_id": ["W", "first"]},
        },
        "location": {"file": "COMPONENT CODE", "function_name": "helper", "line_number": 5},
    }
    assert 'File "COMPONENT CODE Raises", line 5, in helper\n    raise KeyError' in response["traceback"]
    assert "execution.py" not in response["traceback"]
    assert [each["name"] for each in response["node_results"]] == ["W > first"]


def test_a_component_that_says_what_is_wrong() -> None:
    code = (
        "from hdutils import ComponentInputValidationException as Invalid\n\n"
        "def main(*, x):\n    raise Invalid('too short', error_code=422, invalid_component_inputs=['x'])\n"
    )
    failed = error([component("C", code, "x: ANY", "")], wiring(x="1"))
    assert (failed["type"], failed["error_code"]) == ("ComponentInputValidationException", 422)
    assert failed["extra_information"] == {"invalid_component_inputs": ["x"]}


def test_what_a_component_says_and_json_cannot() -> None:
    code = (
        "from hdutils import ComponentException\n\n"
        "def main():\n    raise ComponentException('\\ud800', error_code=len, extra_information={'x': object})\n"
    )
    failed = error([component("C", code)])
    assert failed["message"] == "?"
    sentence = "a builtin_function_or_method that JSON cannot express: it is or contains a builtin_function_or_method"
    assert failed["error_code"] == sentence
    assert failed["extra_information"] == "a dict that JSON cannot express: it is or contains a type"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("import sys; sys.exit(3)", "SystemExit"),
        ("quit()", "SystemExit"),
        ("raise BaseExceptionGroup('several', [BaseException()])", "BaseExceptionGroup"),
        ("helper(x)", "RecursionError"),
        ("class Odd(Exception):\n        def __str__(self): raise OSError\n    raise Odd", "Odd"),
        ("import json; json.loads('{')", "JSONDecodeError"),
    ],
)
def test_whatever_a_component_raises_is_a_failure(statement: str, kind: str) -> None:
    failed = error([raising(statement)])
    assert (failed["type"], failed["process_stage"]) == (kind, "EXECUTING_COMPONENT_CODE")
    assert failed["location"]["function_name"] == "helper"


def test_a_component_that_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert outputs([component("P", "def main():\n    print('hello')\n    return {'x': 1}\n", "", "x: INT")]) == {"x": 1}
    assert capsys.readouterr().out == "hello\n"


def test_a_child_of_a_component_answers_nothing() -> None:
    code = "import os\n\ndef main():\n    child = os.fork()\n    if child: os.waitpid(child, 0)\n    return {'pid': os.getpid()}\n"
    assert outputs([component("Forks", code, "", "pid: INT")]) == {"pid": os.getpid()}


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        ("None", "it returned a NoneType: return a dict of its outputs"),
        ("[1]", "it returned a list: return a dict of its outputs"),
        ("{'a': 1}", "it returned no 'x', 'y': return all its outputs"),
    ],
)
def test_a_component_that_returns_something_else(returned: str, sentence: str) -> None:
    failed = error([component("C", f"def main():\n    return {returned}\n", "", "x: ANY, y: ANY")])
    assert (failed["message"], failed["process_stage"]) == (sentence, "EXECUTING_COMPONENT_CODE")
    assert failed["location"] is None


def test_outputs_are_not_needed() -> None:
    assert outputs([component("C", "def main():\n    pass\n")]) == {}


@pytest.mark.parametrize(
    ("code", "sentence", "line"),
    [
        ("def main(:\n    pass\n", "the code cannot be loaded: SyntaxError: ", 1),
        ("import sys\nsys.exit(1)\n", "the code cannot be loaded: SystemExit: 1", 2),
        ("import no_such_library\n", "the code cannot be loaded: ModuleNotFoundError: No module named", 1),
        ("x = 1\n", "the code has no function main", None),
    ],
)
def test_code_that_cannot_be_loaded(code: str, sentence: str, line: int | None) -> None:
    failed = error([component(f"C {line} {sentence}", code), workflow("W", {"op": f"C {line} {sentence}"}, "")])
    assert failed["message"].startswith(sentence)
    assert failed["process_stage"] == "PARSING_WORKFLOW"
    assert failed["operator_info"]["hierarchy_in_workflow"]["by_name"] == ["W", "op"]
    assert (failed["location"] or {}).get("line_number") == line


def broken(links: str, operators: dict[str, str] | None = None, **more: Any) -> Revision:
    return workflow("W", operators or {"a": "Add", "b": "Add", "t": "Text"}, links, "x: FLOAT", "out: FLOAT", **more)


FED = "x -> a.x, x -> b.x, x -> out"


@pytest.mark.parametrize(
    ("revision", "sentence"),
    [
        (broken("a.sum -> b.x, b.sum -> a.x, a.sum -> out"), "its links are a cycle: "),
        (broken("x -> a.x, x -> b.x, x -> c.x"), "a link or constant names the operator c, which is not there"),
        (broken("x -> a.z"), "a link or constant names 'z' of 'a', which is not there"),
        (broken("z -> a.x"), "a link or constant names 'z' of the workflow itself, which is not there"),
        (
            broken("a.sum -> t.text"),
            "a link leads from 'sum' of 'a', which is FLOAT, to 'text' of 't', which is STRING",
        ),
        (broken("x -> a.x, b.sum -> a.x"), "several links end at 'x' of 'a'"),
        (
            broken("x -> b.x, x -> out", {"b": "Add", "a": "Add"}),
            "the input 'x' of the operator 'a' is required, and no link ends",
        ),
        (broken("x -> a.x", {"a": "Add"}), "no link ends at 'out' of the workflow itself"),
        (
            broken("x -> out", {"a": "Nowhere"}),
            "its operator 'a' is the transformation Nowhere, which is not there: add it",
        ),
        (
            broken(FED, {"a": "Add", "b": "Add"}, constants=(Constant(end("a.x"), 1),)),
            "'x' of 'a' has a constant, and a link",
        ),
        (
            broken(FED, {"a": "Add", "b": "Add"}, constants=(Constant(end("b.y"), "one"),)),
            "the constant or default of 'y' of 'b': 'one' is no FLOAT",
        ),
        (broken("x -> out, x -> again.x", {"again": "W"}), "'W' (1.0.0): it contains itself, by its operator 'again'"),
    ],
)
def test_a_workflow_that_cannot_run_is_refused_with_a_sentence(revision: Revision, sentence: str) -> None:
    failed = error([ADD, TEXT, revision], wiring(x="1"))
    assert sentence in failed["message"]
    assert (failed["type"], failed["process_stage"]) == ("InvalidTransformation", "PARSING_WORKFLOW")


def test_operators_with_the_same_id() -> None:
    twice = Workflow(operators=(Operator("a", "first", "Add"), Operator("a", "second", "Add")))
    failed = error([ADD, msgspec.structs.replace(broken(""), workflow=twice)], wiring(x="1"))
    assert failed["message"] == "the workflow 'W' (1.0.0): several of its operators have the same id"


def test_an_unknown_transformation() -> None:
    response = asyncio.run(Library([]).run("nowhere", job_id="mine"))
    assert not response.is_ok
    assert json.loads(response.json())["error"]["message"] == "there is no transformation nowhere"
    assert response.job_id == "mine"


def wired(*inputs: dict[str, Any], **more: Any) -> Wiring:
    return from_json(
        {"input_wirings": [{"workflow_input_name": "x", "filters": {"value": "1"}, **each} for each in inputs], **more}
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (wiring(), "'x' of the inputs have no default and no value: wire them"),
        (wired({"use_default_value": True}), "'x' of the inputs have no default"),
        (wired({}, {}), "'x': an input can be wired once, and is wired several times"),
        (wiring(x="1", z="2"), "'z': there is no such input; the transformation's are 'x', 'y'"),
        (
            wired({}, output_wirings=[{"workflow_output_name": "z"}]),
            "'z': there is no such output; the transformation's are 'sum'",
        ),
        (
            wired({"adapter_id": "sql"}),
            "the input 'x' is wired to the adapter 'sql', which is not there: there are 'direct_provisioning'",
        ),
        (
            wired({}, output_wirings=[{"workflow_output_name": "sum", "adapter_id": 2}]),
            "the output 'sum' is wired to the adapter '2', which",
        ),
        (wired({"filters": {}}), "the input 'x' is wired without a value: set filters.value"),
        (wiring(x="one"), "the input 'x': 'one' is no FLOAT: could not convert string to float: 'one'"),
        (wired({"filters": {"value": None}}), "the input 'x': '' is no FLOAT"),
    ],
)
def test_a_wiring_that_does_not_fit_is_refused_with_a_sentence(given: Wiring, sentence: str) -> None:
    failed = error([ADD], given)
    assert failed["message"].startswith(sentence)
    assert failed["process_stage"] in ("LOADING_DATA_FROM_ADAPTERS", "PARSING_LOADED_DATA")


def test_both_spellings_of_a_wiring_and_the_old_number_of_the_adapter() -> None:
    snake = {"workflow_input_name": "x", "adapter_id": 1, "filters": {"value": "1", "some_key": "kept"}, "unknown": 1}
    camel = {"workflowInputName": "x", "adapterId": 1, "filters": {"value": "1", "some_key": "kept"}}
    positions = [{"some_name": 1}]
    given = from_json({"input_wirings": [snake], "dashboard_positionings": positions})
    assert given == from_json({"inputWirings": [camel], "dashboardPositionings": positions})
    assert given.dashboard_positionings == ({"some_name": 1},)
    assert given.input_wirings[0].filters["some_key"] == "kept"
    assert outputs([ADD], given) == {"sum": 2.0}


def test_nan_and_infinities_are_null() -> None:
    assert outputs([ADD], wiring(x="nan")) == {"sum": None}
    assert outputs([ADD], wiring(x=str(math.inf))) == {"sum": None}


def test_an_output_that_is_no_json() -> None:
    failed = error([component("C", "def main():\n    return {'x': object()}\n", "", "x: ANY")])
    assert failed["message"].startswith("the output 'x': an object cannot be written as ANY")
    assert failed["process_stage"] == "ENCODING_RESULTS_TO_JSON"
