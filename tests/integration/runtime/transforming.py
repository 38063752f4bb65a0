"""Transformations for a real runtime, and what it says of them."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from kafkatrigger.api.adapters import AdapterSettings
from kafkatrigger.api.frames import Failed, Outcome, Revisions, Work
from kafkatrigger.api.transforming import Mode, Transforming, WiredInput, WiredOutput
from kafkatrigger.runtime.transformations.model import Revision
from tests.unit.runtime.transformations.helpers import component, workflow

ADD = component("Add", "def main(*, x, y):\n    return {'sum': x + y}\n", "x: FLOAT, y: FLOAT = 1", "sum: FLOAT")
"""Adds."""
DOES = component(
    "Does",
    """
import asyncio, os, subprocess, sys, time
from kafkatrigger import Permanent, Retriable

class Unwell(Exception):
    pass

async def main(*, action):
    if action == "raise":
        raise Unwell("not today")
    if action == "permanent":
        raise Permanent("never")
    if action == "retriable":
        raise Retriable("later")
    if action == "exit":
        sys.exit(3)
    if action == "die":
        os._exit(3)
    if action == "print":
        print("spoken")
    if action == "fork":
        if os.fork() == 0:
            return {"done": "by the child"}
        os.wait()
    if action == "leak":
        taken = []
        while True:
            taken.append(bytearray(1 << 20))
            time.sleep(0.001)
    if action == "block":
        time.sleep(1000)
    if action == "wait":
        await asyncio.sleep(1000)
    if action == "compute":
        time.sleep(0.1)
    if action == "interrupt":
        raise KeyboardInterrupt
    return {"done": action}
""",
    "action: STRING",
    "done: STRING",
)
"""Does what its input says."""
TWICE = workflow("Twice", {"a": "Add", "b": "Add"}, "x -> a.x, a.sum -> b.x, b.sum -> sum", "x: FLOAT", "sum: FLOAT")
"""Adds 2."""


def spec(revision: Revision) -> bytes:
    return msgspec.json.encode(revision)


def stream(
    revisions: Iterable[Revision],
    inputs: list[WiredInput],
    *outputs: WiredOutput,
    adapters: tuple[AdapterSettings, ...] = (),
    **options: Any,
) -> Work:
    """Work of a trigger with these revisions, the first of which runs for every message."""
    transforming = Transforming(mode="Stream", ref="it", inputs=tuple(inputs), outputs=outputs, adapters=adapters)
    return _work("JSON", transforming, list(map(spec, revisions)), **options)


def requests(
    mode: Mode = "Execute", *, topics: tuple[str, ...] = (), adapters: tuple[AdapterSettings, ...] = (), **options: Any
) -> Work:
    """Work of a trigger whose messages say what runs."""
    return _work("Bytes", Transforming(mode=mode, topics=topics, adapters=adapters), [], **options)


def _work(value_format: Any, transforming: Transforming, revisions: list[bytes], timeout: float = 30) -> Work:
    return Work(
        "", value_format, "String", "Key", round(timeout * 1000), False, transforming=transforming, revisions=revisions
    )


def known(*revisions: Revision, removed: Iterable[str] = ()) -> Revisions:
    """The frame with revisions that may be requested."""
    return Revisions([(True, spec(each)) for each in revisions], list(removed))


def request(identity: str, job_id: str | None = None, wiring: Any = ..., **values: str) -> dict[str, Any]:
    """In the schema Execute, with directly provisioned values."""
    wired = [{"workflow_input_name": name, "filters": {"value": value}} for name, value in values.items()]
    given = {"input_wirings": wired} if wiring is ... else wiring
    return {"id": identity, "wiring": given} | ({"job_id": job_id} if job_id else {})


def response(outcome: Outcome) -> dict[str, Any]:
    """The response that an outcome is."""
    assert isinstance(outcome, bytes), outcome
    found: dict[str, Any] = json.loads(outcome)
    return found


def outputs(outcome: Outcome) -> Any:
    """Of a run that went well."""
    found = response(outcome)
    assert found["result"] == "ok", found["error"]
    return found["output_results_by_output_name"]


def error(outcome: Outcome) -> Any:
    """Of one that did not."""
    found = response(outcome)
    assert found["result"] == "failure"
    assert found["output_results_by_output_name"] == {}
    return found["error"]


def failed(outcome: Outcome) -> Failed:
    """The failure of an attempt."""
    assert isinstance(outcome, Failed), outcome
    return outcome
