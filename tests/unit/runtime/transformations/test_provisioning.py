"""Runs whose inputs are loaded, and whose outputs are sent, by adapters."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from kafkatrigger.runtime.adapters.protocol import AdapterError, Wired
from kafkatrigger.runtime.transformations import provisioning
from kafkatrigger.runtime.transformations.execution import Library
from kafkatrigger.runtime.transformations.model import DataType
from kafkatrigger.runtime.transformations.problems import Stage, TransformationError
from kafkatrigger.runtime.transformations.wiring import Wiring, from_json

from .helpers import component, error, run, wiring

CANARY = "c4n4ry-p4ssword"
ADD = component(
    "Add", "def main(*, x, y):\n    return {'sum': x + y, 'x': x}\n", "x: ANY, y: FLOAT = 1", "sum: FLOAT, x: ANY"
)
RAISES = component("Raises", "def main(*, x):\n    raise ValueError('no')\n", "x: ANY", "y: ANY")


class Store:
    """Has values by ref_id, and keeps those that are sent."""

    def __init__(self, **values: Any) -> None:
        self.values = values
        self.asked: list[tuple[Wired, DataType]] = []
        self.sent: dict[str, Any] = {}
        self.threads: set[int] = set()

    def load(self, wired: Wired, kind: DataType) -> Any:
        self._note(wired, kind)
        found = self.values[wired.ref_id]
        return found() if callable(found) else found

    def send(self, wired: Wired, kind: DataType, value: Any) -> None:
        self._note(wired, kind)
        found = self.values.get(wired.ref_id)
        if callable(found):
            found()
        self.sent[wired.ref_id] = value

    def close(self) -> None:
        pass

    def _note(self, wired: Wired, kind: DataType) -> None:
        self.asked.append((wired, kind))
        self.threads.add(threading.get_ident())


def raising(error: BaseException) -> Callable[[], Any]:
    def call() -> Any:
        raise error

    return call


def wired(inputs: dict[str, Any], outputs: dict[str, Any] | None = None) -> Wiring:
    """By name: what the wiring says beside it, or a value."""
    return from_json(
        {
            "input_wirings": [
                {"workflow_input_name": name} | (each if isinstance(each, dict) else {"filters": {"value": str(each)}})
                for name, each in inputs.items()
            ],
            "output_wirings": [{"workflow_output_name": name} | each for name, each in (outputs or {}).items()],
        }
    )


def of(ref_id: str, adapter: str = "store", **more: Any) -> dict[str, Any]:
    return {"adapter_id": adapter, "ref_id": ref_id, **more}


def test_adapters_and_direct_values_in_one_wiring() -> None:
    one, two = Store(a=5), Store()
    given = wired({"x": of("a", "one", type="metadata(int)", filters={"f": None}), "y": "2.5"}, {"sum": of("b", "two")})
    response = run([ADD], given, adapters={"one": one, "two": two})
    assert response["result"] == "ok", response["error"]
    assert response["output_results_by_output_name"] == {"x": 5}
    assert response["output_types_by_output_name"] == {"sum": "FLOAT", "x": "ANY"}
    assert two.sent == {"b": 7.5}
    ((asked, kind),) = one.asked
    assert (asked.ref_id, str(asked.type), asked.filters, kind) == ("a", "metadata(int)", {"f": ""}, DataType.ANY)
    assert threading.get_ident() not in one.threads | two.threads


@pytest.mark.parametrize(
    ("kind", "loaded", "expected"),
    [
        ("FLOAT", "1.5", 1.5),
        ("SERIES", '{"2026-01-01T00:00:00Z": 1}', "Series"),
        ("SERIES", pd.Series([1]), "Series"),
        ("DATAFRAME", pd.DataFrame({"a": [1]}), "DataFrame"),
        ("ANY", pd.DataFrame({"a": [1]}), "DataFrame"),
        ("ANY", '{"a": 1}', {"a": 1}),
        ("FLOAT", None, None),
    ],
)
def test_what_is_loaded_is_parsed(kind: str, loaded: Any, expected: Any) -> None:
    code = "def main(*, x):\n    name = type(x).__name__\n    return {'x': name if 'F' in name or 'S' in name else x}\n"
    response = run(
        [component("Shows", code, f"x: {kind}", "x: ANY")], wired({"x": of("a")}), adapters={"store": Store(a=loaded)}
    )
    assert response["result"] == "ok", response["error"]
    assert response["output_results_by_output_name"] == {"x": expected}


def test_a_multitsframe_is_sorted_and_checked() -> None:
    frames = component("Frames", "def main(*, x):\n    return {'x': list(x['value'])}\n", "x: MULTITSFRAME", "x: ANY")
    frame = pd.DataFrame(
        {"timestamp": pd.to_datetime(["2026-01-02", "2026-01-01"], utc=True), "metric": ["a", "a"], "value": [2, 1]}
    )
    response = run([frames], wired({"x": of("a")}), adapters={"store": Store(a=frame)})
    assert response["output_results_by_output_name"] == {"x": [1, 2]}
    failed = error([frames], wired({"x": of("a")}), adapters={"store": Store(a=frame.drop(columns="metric"))})
    assert "the input 'x'" in failed["message"] and "it has no column metric" in failed["message"]
    assert failed["process_stage"] == "PARSING_LOADED_DATA"


def test_what_is_sent_is_of_its_type() -> None:
    makes = component("Makes", "def main():\n    return {'x': [1, 2]}\n", "", "x: SERIES")
    store = Store()
    assert run([makes], wired({}, {"x": of("a")}), adapters={"store": store})["result"] == "ok"
    assert store.sent["a"].tolist() == [1, 2]


def test_a_default_is_not_loaded() -> None:
    store = Store()
    given = wired({"x": "1", "y": of("a", use_default_value=True)})
    assert run([ADD], given, adapters={"store": store})["output_results_by_output_name"]["sum"] == 2
    assert not store.asked


def test_all_are_loaded_and_sent_at_the_same_time() -> None:
    """Each waits for the other."""
    loading, sending = threading.Barrier(2, timeout=30), threading.Barrier(2, timeout=30)

    def loads() -> int:
        loading.wait()
        return 1

    store = Store(a=loads, b=loads, c=sending.wait, d=sending.wait)
    response = run(
        [ADD], wired({"x": of("a"), "y": of("b")}, {"sum": of("c"), "x": of("d")}), adapters={"store": store}
    )
    assert response["result"] == "ok", response["error"]
    assert store.sent == {"c": 2, "d": 1}


def test_a_run_without_adapters_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "to_thread", raising(AssertionError("a thread")))
    assert run([ADD], wiring(x="1"), adapters={"store": Store()})["result"] == "ok"


def test_steps_are_measured() -> None:
    store = Store(a=lambda: time.sleep(0.05), b=lambda: time.sleep(0.05))
    passes = component("Passes", "def main(*, x):\n    return {'x': x}\n", "x: ANY", "x: ANY")
    steps = run([passes], wired({"x": of("a")}, {"x": of("b")}), adapters={"store": store})["measured_steps"]
    assert min(steps["load_data"]["duration"], steps["send_data"]["duration"]) >= 0.05
    assert steps["pure_execution"]["duration"] < 0.05


def test_nothing_is_sent_unless_all_components_ran_and_all_outputs_can_be_written() -> None:
    store = Store()
    assert error([RAISES], wired({"x": "1"}, {"y": of("a")}), adapters={"store": store})["type"] == "ValueError"
    both = component("Both", "def main():\n    return {'x': 1, 'y': object()}\n", "", "x: ANY, y: ANY")
    failed = error([both], wired({}, {"x": of("a")}), adapters={"store": store})
    assert failed["process_stage"] == "ENCODING_RESULTS_TO_JSON"
    assert not store.asked


@pytest.mark.parametrize(
    ("inputs", "outputs", "sentence"),
    [
        (
            {"x": of("a", "other")},
            {},
            "the input 'x' is wired to the adapter 'other', which is not there: there are 'store', 'direct_provisioning'",
        ),
        ({"x": "1"}, {"sum": of("a", "other")}, "the output 'sum' is wired to the adapter 'other', which is not there"),
        (
            {"x": "1", "y": {"adapter_id": "store"}},
            {},
            "the input 'y' is wired to the adapter 'store' without a ref_id: set it",
        ),
        ({"x": "1", "y": of("a", type="float")}, {}, "the input 'y': 'float' is no type of data"),
        (
            {"x": "1", "y": of("a", type="dataframe")},
            {},
            "the input 'y' is of type FLOAT, and is wired to dataframe: correct the type",
        ),
        (
            {"x": "1"},
            {"sum": of("a", type="metadata(string)")},
            "the output 'sum' is of type FLOAT, and is wired to metadata(string)",
        ),
    ],
)
def test_a_wrong_wiring_is_said_before_anything_is_loaded(
    inputs: dict[str, Any], outputs: dict[str, Any], sentence: str
) -> None:
    store = Store(a=1)
    failed = error([ADD], wired({"x": of("a"), **inputs}, outputs), adapters={"store": store})
    assert failed["message"].startswith(sentence)
    assert (failed["type"], failed["process_stage"]) == ("InvalidWiring", "LOADING_DATA_FROM_ADAPTERS")
    assert not store.asked


def test_a_failure_says_where_it_was() -> None:
    store = Store(a=raising(AdapterError("it is broken: mend it")))
    failed = error([ADD], wired({"x": of("a")}), adapters={"store": store})
    assert failed["message"] == "the input 'x', adapter 'store', ref_id 'a': it is broken: mend it"
    assert (failed["type"], failed["process_stage"]) == ("AdapterFailed", "LOADING_DATA_FROM_ADAPTERS")
    failed = error([ADD], wired({"x": "1"}, {"sum": of("a")}), adapters={"store": store})
    assert failed["message"] == "the output 'sum', adapter 'store', ref_id 'a': it is broken: mend it"
    assert failed["process_stage"] == "SENDING_DATA_TO_ADAPTERS"


@pytest.mark.parametrize("fault", [KeyError(CANARY), SystemExit(CANARY), RuntimeError(f"postgresql://u:{CANARY}@h/db")])
def test_a_fault_of_an_adapter_is_said_without_its_text(fault: BaseException) -> None:
    response = run([ADD], wired({"x": of("a")}), adapters={"store": Store(a=raising(fault))})
    assert f"it raised {type(fault).__name__} at test_provisioning.py:" in response["error"]["message"]
    assert CANARY not in str(response)


def test_a_retry_meets_nothing_that_still_runs() -> None:
    """The other has ended when the failure is told."""
    store = Store(a=raising(AdapterError("gone", retriable=True)), b=lambda: time.sleep(0.2))
    error([ADD], wired({"x": "1"}, {"sum": of("a"), "x": of("b")}), adapters={"store": store})
    assert "b" in store.sent


def test_a_run_that_is_given_up_waits_for_no_adapter() -> None:
    released = threading.Event()
    store = Store(a=released.wait)

    async def give_up() -> None:
        library = Library([ADD])
        try:
            await asyncio.wait_for(library.run("Add", wired({"x": of("a")}), adapters={"store": store}), 0.1)
        finally:
            released.set()

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_only_what_a_retry_can_mend_is_retriable(first: bool, second: bool, expected: bool) -> None:
    store = Store(a=raising(AdapterError("a", retriable=first)), b=raising(AdapterError("b", retriable=second)))
    library = Library([ADD])
    found = provisioning.inputs(library.plan("Add"), wired({"x": of("a"), "y": of("b")}), {"store": store})
    with pytest.raises(TransformationError) as caught:
        asyncio.run(provisioning.load(found))
    assert caught.value.retriable is expected
    assert caught.value.stage is Stage.LOADING_DATA_FROM_ADAPTERS
    assert not TransformationError("other", Stage.PARSING_WORKFLOW).retriable
