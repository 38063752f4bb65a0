"""Transformations for tests: built here, in the model's form or as hetida designer exports them."""

import asyncio
import json
import uuid
from typing import Any

from kafkatrigger.runtime.transformations.execution import Library
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
from kafkatrigger.runtime.transformations.wiring import Wiring, from_json


def connectors(text: str) -> list[tuple[str, DataType, Any]]:
    """`x: FLOAT, y: INT = 3` as names, types and defaults (JSON); no default is ...."""
    found = []
    for each in filter(None, text.split(", ")):
        head, _, default = each.partition(" = ")
        name, _, kind = head.partition(": ")
        found.append((name, DataType(kind), json.loads(default) if default else ...))
    return found


def inputs_of(text: str) -> tuple[Input, ...]:
    return tuple(Input(n, kind) if d is ... else Input(n, kind, d) for n, kind, d in connectors(text))


def outputs_of(text: str) -> tuple[Output, ...]:
    return tuple(Output(name, kind) for name, kind, _ in connectors(text))


def component(name: str, code: str, inputs: str = "", outputs: str = "") -> Revision:
    """A component whose id is its name."""
    return _revision(name, inputs, outputs, component=Component(code))


def end(text: str) -> End:
    """`operator.name`, or `name`, which is the workflow's own."""
    operator, _, name = text.rpartition(".")
    return End(name, operator)


def workflow(
    name: str, operators: dict[str, str], links: str, inputs: str = "", outputs: str = "", **more: Any
) -> Revision:
    """A workflow of `operator: transformation` and links such as `x -> a.x`, which are separated by commas."""
    pairs = [each.split(" -> ") for each in links.split(", ") if each]
    content = Workflow(
        operators=tuple(Operator(each, each, of) for each, of in operators.items()),
        links=tuple(Link(end(start), end(stop)) for start, stop in pairs),
        **more,
    )
    return _revision(name, inputs, outputs, workflow=content)


def _revision(name: str, inputs: str, outputs: str, **content: Any) -> Revision:
    return Revision(
        id=name,
        revision_group_id=f"group of {name}",
        name=name,
        version_tag="1.0.0",
        inputs=inputs_of(inputs),
        outputs=outputs_of(outputs),
        **content,
    )


def wiring(**values: str) -> Wiring:
    """Directly provisioned values."""
    return from_json(
        {
            "input_wirings": [
                {"workflow_input_name": name, "filters": {"value": value}} for name, value in values.items()
            ]
        }
    )


def run(revisions: list[Revision], given: Wiring | None = None, **options: Any) -> dict[str, Any]:
    """The response to running the last of them."""
    response = asyncio.run(Library(revisions).run(revisions[-1].id, given or wiring(), **options))
    decoded: dict[str, Any] = json.loads(response.json())
    return decoded


def outputs(revisions: list[Revision], given: Wiring | None = None, **options: Any) -> Any:
    """The outputs of the last of them; AssertionError with the error where it fails."""
    response = run(revisions, given, **options)
    assert response["result"] == "ok", response["error"]
    return response["output_results_by_output_name"]


def error(revisions: list[Revision], given: Wiring | None = None, **options: Any) -> dict[str, Any]:
    """Why running the last of them fails."""
    response = run(revisions, given, **options)
    assert response["result"] == "failure"
    failed: dict[str, Any] = response["error"]
    return failed


def identity(*names: str) -> str:
    """An id that is the same for the same names."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(names)))


def exported_component(name: str, code: str, inputs: str, outputs: str) -> dict[str, Any]:
    """As hetida designer exports a component."""
    return _exported(name, "COMPONENT", code, _interfaces(name, inputs), _interfaces(name, outputs))


def exported_workflow(
    name: str, operators: dict[str, dict[str, Any]], links: str, inputs: str, outputs: str, constants: dict[str, str]
) -> dict[str, Any]:
    """As hetida designer exports a workflow of `operator: exported transformation`."""

    def connector(text: str, side: str) -> dict[str, Any]:
        operator, _, name = text.rpartition(".")
        found = operators[operator]["io_interface"][side] if operator else own[side]
        each = next(each for each in found if each["name"] == name)
        return {"id": each["id"], "name": name, "data_type": each["data_type"]}

    def attached(each: dict[str, Any], side: str) -> dict[str, Any]:
        names = [pair for pair in pairs if each["name"] == pair[side == "outputs"]]
        target, _, inner = names[0][side == "inputs"].rpartition(".")
        return {
            **each,
            "operator_id": identity(name, target),
            "operator_name": target,
            "connector_id": connector(names[0][side == "inputs"], side)["id"],
            "connector_name": inner,
        }

    def end_of(text: str, side: str) -> dict[str, Any]:
        operator = text.rpartition(".")[0]
        kind = side if operator else {"inputs": "outputs", "outputs": "inputs"}[side]
        return {"operator": identity(name, operator) if operator else None, "connector": connector(text, kind)}

    own = {"inputs": _interfaces(name, inputs), "outputs": _interfaces(name, outputs)}
    pairs = [each.split(" -> ") for each in links.split(", ")]
    content_constants, constant_links = [], []
    for target, value in constants.items():
        operator, _, inner = target.rpartition(".")
        there = connector(target, "inputs")
        constant = {"id": identity(name, target), "name": None, "data_type": there["data_type"], "type": "REQUIRED"}
        placed = {"operator_id": identity(name, operator), "connector_id": there["id"], "connector_name": inner}
        content_constants.append({**constant, **placed, "value": value})
        constant_links.append(
            {
                "start": {"operator": None, "connector": constant},
                "end": {"operator": identity(name, operator), "connector": there},
                "path": [],
            }
        )
    content = {
        "operators": [
            {
                "id": identity(name, each),
                "name": each,
                "type": of["type"],
                "state": "RELEASED",
                "transformation_id": of["id"],
                "revision_group_id": of["revision_group_id"],
                "version_tag": of["version_tag"],
                **of["io_interface"],
                "position": {"x": 0, "y": 0},
            }
            for each, of in operators.items()
        ],
        "links": [
            {"start": end_of(start, "outputs"), "end": end_of(stop, "inputs"), "path": []} for start, stop in pairs
        ]
        + constant_links,
        "inputs": [attached(each, "inputs") for each in own["inputs"]],
        "outputs": [attached(each, "outputs") for each in own["outputs"]],
        "constants": content_constants,
    }
    return _exported(name, "WORKFLOW", content, own["inputs"], own["outputs"])


def _interfaces(owner: str, text: str) -> list[dict[str, Any]]:
    return [
        {
            "id": identity(owner, name),
            "name": name,
            "data_type": kind,
            "type": "REQUIRED" if default is ... else "OPTIONAL",
            "value": None if default is ... else default,
        }
        for name, kind, default in connectors(text)
    ]


def _exported(name: str, kind: str, content: Any, inputs: Any, outputs: Any) -> dict[str, Any]:
    return {
        "id": identity(name),
        "revision_group_id": identity("group", name),
        "name": name,
        "description": f"What {name} does",
        "category": "Tests",
        "version_tag": "1.0.0",
        "state": "RELEASED",
        "type": kind,
        "released_timestamp": "2026-01-01T00:00:00+00:00",
        "disabled_timestamp": None,
        "documentation": f"# {name}",
        "content": content,
        "io_interface": {"inputs": inputs, "outputs": outputs},
        "test_wiring": {"input_wirings": [], "output_wirings": [], "dashboard_positionings": []},
    }
