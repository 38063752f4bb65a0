"""A function that cannot be loaded is named with its cause, and loaded as soon as that is mended."""

import pytest

from kafkatrigger.api.frames import Work
from tests.integration.runtime.client import Runtime, work


@pytest.mark.parametrize(
    ("reference", "cause"),
    [
        ("my_package.rul:handler", "there is no module my_package in the runtime image"),
        ("functions.rul:handler", "there is no module functions.rul in the runtime image"),
        ("functions:missing", "the module functions has no missing"),
        ("functions:not_callable", "it is an int, not a function"),
        ("functions:asynchronous_batch", "a batch function is an ordinary one that returns a list"),
        ("functions:generating_batch", "a batch function is an ordinary one that returns a list"),
        ("functions", "it is not of the form module:function"),
        ("broken:handler", "importing broken raised ZeroDivisionError: division by zero ("),
        ("broken:handler", "/broken.py:1 in <module>)"),
        ("needy:handler", "importing needy raised ModuleNotFoundError: No module named 'absent_library' ("),
        ("exits:handler", "importing exits raised SystemExit: 1 ("),
        ("unparsable:handler", "importing unparsable raised SyntaxError: "),
    ],
)
def test_each_cause_has_its_sentence(runtime: Runtime, reference: str, cause: str) -> None:
    for name, source in {
        "broken": "1 / 0",
        "needy": "import absent_library",
        "exits": "import sys; sys.exit(1)",
        "unparsable": "def",
    }.items():
        (runtime.modules / f"{name}.py").write_text(source)
    control = runtime.control()
    control.hello(Work(reference, "JSON", "String", "Key", 30_000, False))
    message = control.await_state(0, "failed").message
    assert message.startswith(f"the function {reference} cannot be loaded: ")
    assert cause in message


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("value.temperature >", "spec.source.filter is not valid CEL: "),
        ("vaule.temperature > 80", "undeclared reference to 'vaule"),
        ("offset + 1", "spec.source.filter yields INT, not true or false: make it a condition"),
    ],
)
def test_a_filter_that_does_not_compile_is_a_failure_to_load(runtime: Runtime, expression: str, sentence: str) -> None:
    control = runtime.control()
    control.hello(work("good", filter=expression))
    message = control.await_state(0, "failed").message
    assert message.startswith("spec.source.filter ")
    assert sentence in message


def test_a_module_that_appears_is_loaded(runtime: Runtime) -> None:
    control = runtime.control()
    control.hello(work("late:handler"))
    control.await_state(0, "failed")
    (runtime.modules / "late.py").write_text("def handler(message): return 'at last'")
    control.await_state(0, "ready")
    assert runtime.data(control.session).run(1) == [b'"at last"']


def test_a_process_that_dies_while_it_loads_is_a_failure_to_load(runtime: Runtime) -> None:
    (runtime.modules / "deadly.py").write_text("import os; os._exit(7)")
    control = runtime.control()
    control.hello(work("deadly:handler"))
    exited = control.await_exit()
    assert (exited.reason, exited.suspects) == ("WorkerCrashed", [])
    assert (
        control.await_state(0, "failed").message == "while deadly:handler was loaded, the worker ended with exit code 7"
    )
