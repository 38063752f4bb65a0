"""Transformations in a real API server: what it refuses, what may change, what it keeps, and how large they may be."""

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kafkatrigger.api.crd import transformation
from kafkatrigger.runtime.transformations.model import from_manifest, to_manifest
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.integration.crd.test_rules import _messages
from tests.support.kubernetes import TRANSFORMATIONS, Api, Body, RefusedError

ID = "3c1d7f0e-58a4-4c67-9f0b-2f8f6f3a9b11"

COMPONENT: Body = {
    "id": ID,
    "revisionGroupId": "a7e0c1de-6d0c-4f0e-8a53-70a1f2a4f7c2",
    "name": "Fahrenheit",
    "versionTag": "1.0.0",
    "inputs": [{"name": "celsius", "type": "SERIES"}, {"name": "offset", "type": "FLOAT", "default": None}],
    "outputs": [{"name": "fahrenheit", "type": "SERIES"}],
    "component": {"code": "def main(*, celsius, offset):\n    return {'fahrenheit': celsius * 9 / 5 + 32}\n"},
}
CELSIUS: Body = {"operator": "convert", "name": "celsius"}
WORKFLOW: Body = {
    **{name: value for name, value in COMPONENT.items() if name != "component"},
    "workflow": {
        "operators": [{"id": "convert", "name": "convert", "transformationId": ID}],
        "links": [{"start": {"name": "celsius"}, "end": CELSIUS}],
        "constants": [{"end": {"operator": "convert", "name": "offset"}, "value": None}],
    },
    "testWiring": {
        "inputWirings": [{"workflowInputName": "celsius", "adapterId": 1, "filters": {"value": "[1]", "other": None}}],
        "outputWirings": [{"workflowOutputName": "fahrenheit", "adapterId": "sql", "refId": "t"}],
        "dashboardPositionings": [{"id": "a", "x": None}],
    },
}
RELEASED: Body = {"state": "Released", "releasedTimestamp": "2026-11-21T00:00:00+00:00"}

EITHER = "a transformation has either component or workflow"
FIXED = "a revision that is released stays as it is"
STATES = "state goes from Draft to Released to Disabled, and never back"
IDENTITY = "id cannot change"
GROUP = "revisionGroupId cannot change"


def put(api: Api, namespace: str, spec: Body, name: str = "fahrenheit", *, dry: bool = False) -> Body:
    manifest = {"apiVersion": "kafkatrigger.dev/v1alpha1", "kind": "Transformation", "metadata": {"name": name}}
    path = f"{TRANSFORMATIONS.format(namespace)}/{name}{'?dryRun=All' if dry else ''}"
    return api.apply(path, {**manifest, "spec": spec})


@pytest.mark.parametrize(
    "spec", [COMPONENT, WORKFLOW, {**COMPONENT, **RELEASED}], ids=["component", "workflow", "released"]
)
def test_it_is_kept_as_the_runtime_reads_it(api: Api, namespace: str, spec: Body) -> None:
    stored = put(api, namespace, spec)
    assert stored["spec"] == {"state": "Draft", **spec}
    given = from_manifest({**stored, "spec": spec}, "given")
    assert from_manifest(api.call("GET", f"{TRANSFORMATIONS.format(namespace)}/fahrenheit"), "stored") == given
    again = put(api, namespace, to_manifest(given, "again")["spec"], "again")
    assert from_manifest(again, "again") == given


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"component": None}, EITHER),
        ({"workflow": {}}, EITHER),
        ({"id": "fahrenheit"}, "should match"),
        ({"revisionGroupId": ID[:-1]}, "should match"),
        ({"state": "RELEASED"}, "supported values"),
        ({"versionTag": None}, "Required value"),
        ({"inputs": COMPONENT["inputs"] * 2}, "duplicate"),
        ({"outputs": COMPONENT["outputs"] * 2}, "duplicate"),
        ({"outputs": [{"name": "a", "type": "NUMBER"}]}, "supported values"),
        ({"component": {"code": "", "language": "R"}}, "field not declared in schema"),
        ({"component": None, "workflow": {"links": [{"start": {"name": "a"}}]}}, "Required value"),
        ({"testWiring": {"input_wirings": []}}, "field not declared in schema"),
        ({"colour": "red"}, "field not declared in schema"),
    ],
)
def test_what_is_refused(api: Api, changes: Body, sentence: str) -> None:
    spec = {name: value for name, value in {**COMPONENT, **changes}.items() if value is not None}
    with pytest.raises(RefusedError, match=sentence):
        put(api, "default", spec, dry=True)


def changed(spec: Body, change: Callable[[Body], Any]) -> Body:
    result = copy.deepcopy(spec)
    change(result)
    return result


CONTENT: list[tuple[Body, Callable[[Body], Any]]] = [
    (COMPONENT, lambda spec: spec.update(name="Kelvin")),
    (COMPONENT, lambda spec: spec.update(versionTag="1.0.1")),
    (COMPONENT, lambda spec: spec["inputs"].pop()),
    (COMPONENT, lambda spec: spec.pop("inputs")),
    (COMPONENT, lambda spec: spec["inputs"][1].update(default=1)),
    (COMPONENT, lambda spec: spec["inputs"][1].pop("default")),
    (COMPONENT, lambda spec: spec["outputs"][0].update(type="ANY")),
    (COMPONENT, lambda spec: spec["component"].update(code="def main(): ...")),
    (COMPONENT, lambda spec: spec.update(workflow={}) or spec.pop("component")),
    (WORKFLOW, lambda spec: spec["workflow"]["operators"][0].update(name="other")),
    (WORKFLOW, lambda spec: spec["workflow"]["links"].clear()),
    (WORKFLOW, lambda spec: spec["workflow"]["constants"][0].update(value={"a": [1]})),
]


@pytest.mark.parametrize(("spec", "change"), CONTENT)
def test_what_is_released_stays_as_it_is(api: Api, namespace: str, spec: Body, change: Callable[[Body], Any]) -> None:
    draft, released = changed(spec, change), {**spec, **RELEASED}
    for each in (spec, draft, released):  # a draft may change
        put(api, namespace, each)
    with pytest.raises(RefusedError, match=FIXED):
        put(api, namespace, {**draft, **RELEASED})
    with pytest.raises(RefusedError, match=FIXED):
        put(api, namespace, {**draft, **RELEASED, "state": "Disabled"})


@pytest.mark.parametrize(
    "changes",
    [
        {"category": "Units", "description": "d", "documentation": "# D"},
        {"testWiring": WORKFLOW["testWiring"]},
        {"state": "Disabled", "disabledTimestamp": "2026-11-22T00:00:00+00:00"},
    ],
)
def test_what_may_change_of_a_released_one(api: Api, namespace: str, changes: Body) -> None:
    put(api, namespace, {**COMPONENT, **RELEASED})
    put(api, namespace, {**COMPONENT, **RELEASED, **changes})


def test_when_it_was_released_stays(api: Api, namespace: str) -> None:
    put(api, namespace, {**COMPONENT, **RELEASED})
    with pytest.raises(RefusedError, match=FIXED):
        put(api, namespace, {**COMPONENT, **RELEASED, "releasedTimestamp": "2026-11-22T00:00:00+00:00"})


@pytest.mark.parametrize(
    ("before", "after"), [("Draft", "Disabled"), ("Released", "Draft"), ("Disabled", "Released"), ("Disabled", "Draft")]
)
def test_states_go_one_way(api: Api, namespace: str, before: str, after: str) -> None:
    put(api, namespace, {**COMPONENT, "state": before})
    with pytest.raises(RefusedError, match=STATES):
        put(api, namespace, {**COMPONENT, "state": after})


@pytest.mark.parametrize(("field", "sentence"), [("id", IDENTITY), ("revisionGroupId", GROUP)])
def test_identities_stay(api: Api, namespace: str, field: str, sentence: str) -> None:
    put(api, namespace, COMPONENT)
    with pytest.raises(RefusedError, match=sentence):
        put(api, namespace, {**COMPONENT, field: "00000000-0000-0000-0000-000000000000"})


def test_every_rule_has_a_case() -> None:
    assert all(message.startswith((EITHER, FIXED, STATES, IDENTITY, GROUP)) for message in _messages(transformation()))


def test_what_kubectl_shows(api: Api, control_plane: ControlPlane, namespace: str) -> None:
    put(api, namespace, {**COMPONENT, **RELEASED})
    kubectl = Kubectl(control_plane.kubeconfig)
    lines = kubectl("get", "ktf", "--namespace", namespace).splitlines()
    assert lines[0].split() == ["NAME", "TAG", "STATE", "AGE"]
    assert lines[1].split()[:3] == ["fahrenheit", "1.0.0", "Released"]
    assert "fahrenheit" not in kubectl("get", "kafkatrigger", "--namespace", namespace)
    assert "UUID that all revisions have in common" in kubectl("explain", "transformation.spec.revisionGroupId")


def manifest_of(folder: Path, size: int) -> Path:
    """A file with a component of so many bytes of code."""
    code = COMPONENT["component"]["code"]
    spec = {**COMPONENT, "component": {"code": code + "#" * (size - len(code))}}
    manifest = {"apiVersion": "kafkatrigger.dev/v1alpha1", "kind": "Transformation", "metadata": {"name": "large"}}
    path = folder / "large.json"
    path.write_text(json.dumps({**manifest, "spec": spec}))
    return path


def test_large_ones_are_applied_by_the_server(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """Client-side apply copies the whole into an annotation, which takes 256 KiB. etcd takes 1.5 MiB in all."""
    kubectl = Kubectl(control_plane.kubeconfig)

    def apply(size: int, *arguments: str) -> str:
        command = kubectl.command(
            "apply", f"--namespace={namespace}", f"--filename={manifest_of(tmp_path, size)}", *arguments
        )
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return result.stderr if result.returncode else ""

    assert "metadata.annotations: Too long" in apply(300_000)
    assert apply(1_000_000, "--server-side") == ""
    assert apply(1_400_000, "--server-side") == ""
    assert "may not be more than 1400000 bytes" in apply(1_400_001, "--server-side")
