"""Revisions from files of hetida designer, and from manifests."""

import json
from pathlib import PurePath
from typing import Any

import pytest

from kafkatrigger.runtime.transformations.hetida import revisions_of
from kafkatrigger.runtime.transformations.model import (
    Constant,
    DataType,
    End,
    Input,
    Link,
    Operator,
    Output,
    from_manifest,
    to_manifest,
)
from kafkatrigger.runtime.transformations.problems import InvalidTransformation
from tests.support.transformations import exported_component, exported_workflow, identity, outputs

CODE = '''"""# Scale

Multiplies.
"""

from hdutils import parse_default_value

COMPONENT_INFO = {
    "inputs": {"x": {"data_type": "FLOAT"}, "factor": {"data_type": "FLOAT", "default_value": 2}},
    "outputs": {"y": {"data_type": "FLOAT"}},
    "name": "Scale",
    "category": "Arithmetic",
    "description": "Multiplies",
    "version_tag": "1.0.1",
    "id": "a-b-c",
    "revision_group_id": "d-e-f",
    "state": "RELEASED",
    "released_timestamp": "2026-01-01T00:00:00+00:00",
}

raise_if_it_is_run = [][0] if __name__ == "__main__" else None


def main(*, x, factor=parse_default_value(COMPONENT_INFO, "factor")):
    return {"y": x * factor}


TEST_WIRING_FROM_PY_FILE_IMPORT = {
    "input_wirings": [{"workflow_input_name": "x", "adapter_id": "direct_provisioning", "filters": {"value": "4"}}]
}
'''
COMPONENT = exported_component("Scale", CODE, "x: FLOAT, factor: FLOAT = 2", "y: FLOAT")


def of(content: Any, name: str = "file.json") -> Any:
    (revision,) = revisions_of(
        PurePath(name), content.encode() if isinstance(content, str) else json.dumps(content).encode()
    )
    return revision


def test_a_component_of_one_file() -> None:
    revision = of(CODE, "scale.py")
    assert (revision.id, revision.revision_group_id, revision.version_tag) == ("a-b-c", "d-e-f", "1.0.1")
    assert (revision.name, revision.category, revision.description) == ("Scale", "Arithmetic", "Multiplies")
    assert (revision.state, revision.released_timestamp) == ("Released", "2026-01-01T00:00:00+00:00")
    assert revision.documentation == "# Scale\n\nMultiplies."
    assert revision.inputs == (Input("x", DataType.FLOAT), Input("factor", DataType.FLOAT, 2))
    assert revision.outputs == (Output("y", DataType.FLOAT),)
    assert revision.component.code == CODE
    assert outputs([revision], revision.test_wiring) == {"y": 8.0}


def test_types_alone_as_in_older_files() -> None:
    revision = of(CODE.replace('{"data_type": "FLOAT"}', '"FLOAT"'), "scale.py")
    assert revision.inputs[0] == Input("x", DataType.FLOAT)
    assert revision.outputs == (Output("y", DataType.FLOAT),)


def test_an_exported_component() -> None:
    revision = of(COMPONENT)
    assert (revision.id, revision.revision_group_id) == (identity("Scale"), identity("group", "Scale"))
    assert (revision.name, revision.version_tag, revision.state) == ("Scale", "1.0.0", "Released")
    assert (revision.category, revision.documentation) == ("Tests", "# Scale")
    assert revision.inputs == (Input("x", DataType.FLOAT), Input("factor", DataType.FLOAT, 2))


def test_null_is_what_is_left_out() -> None:
    export = exported_component("Nulls", "def main(*, x): ...", "x: ANY = null", "y: ANY")
    wired = {"workflow_input_name": "x", "ref_id": None, "filters": {"value": None}}
    export |= {
        "documentation": None,
        "category": None,
        "test_wiring": {"input_wirings": [wired], "output_wirings": None},
    }
    (revision,) = revisions_of(PurePath("x.json"), json.dumps(export).encode())
    assert (revision.documentation, revision.category, revision.inputs[0].default) == ("", "", None)
    assert revision.test_wiring.input_wirings[0].filters == {"value": None}
    (nothing,) = revisions_of(PurePath("x.json"), json.dumps(export | {"test_wiring": None}).encode())
    assert nothing.test_wiring.input_wirings == ()


def test_an_exported_workflow_has_its_links_by_name() -> None:
    exported = exported_workflow(
        "Both",
        {"a": COMPONENT, "b": COMPONENT},
        "in -> a.x, a.y -> b.x, b.y -> out",
        "in: FLOAT",
        "out: FLOAT",
        {"b.factor": "3"},
    )
    flow = of(exported).workflow
    a, b = identity("Both", "a"), identity("Both", "b")
    assert flow.operators == (Operator(a, "a", identity("Scale")), Operator(b, "b", identity("Scale")))
    assert set(flow.links) == {
        Link(End("in"), End("x", a)),
        Link(End("y", a), End("x", b)),
        Link(End("y", b), End("out")),
    }
    assert len(flow.links) == 3
    assert flow.constants == (Constant(End("factor", b), "3"),)


def test_inputs_and_outputs_that_say_where_they_belong_need_no_links() -> None:
    exported = exported_workflow("One", {"a": COMPONENT}, "in -> a.x, a.y -> out", "in: FLOAT", "out: FLOAT", {})
    with_links = of(exported)
    exported["content"]["links"] = []
    assert set(of(exported).workflow.links) == set(with_links.workflow.links)


def test_a_manifest_says_the_same() -> None:
    for revision in (of(CODE, "scale.py"), of(COMPONENT)):
        manifest = to_manifest(revision, "scale-1.0.0")
        assert (manifest["kind"], manifest["metadata"]) == ("Transformation", {"name": "scale-1.0.0"})
        assert from_manifest(json.loads(json.dumps(manifest)), "file") == revision


def changed(given: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**given, **fields}


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        ("{", "f.json", "f.json: Input data was truncated"),
        ("[1]", "f.json", "f.json: Expected `object`, got `int`"),
        ({**COMPONENT, "id": 1}, "f.json", "f.json: Expected `str`, got `int` - at `$.id`"),
        ({**COMPONENT, "type": "TABLE"}, "f.json", "f.json: Invalid enum value 'TABLE' - at `$.type`"),
        ({**COMPONENT, "type": "WORKFLOW"}, "f.json", "f.json: its type is WORKFLOW, and its content is not"),
        (
            {**COMPONENT, "io_interface": {"inputs": [{"id": "1", "name": "x", "data_type": "DATE"}]}},
            "f.json",
            "f.json: Invalid enum value 'DATE' - at `$.io_interface.inputs[0].data_type`",
        ),
        (
            {**COMPONENT, "test_wiring": {"input_wirings": [{}]}},
            "f.json",
            "f.json: the wiring cannot be read: Object missing required field `workflowInputName` - at `$.inputWirings[0]`",
        ),
        (
            {**COMPONENT, "io_interface": {"inputs": COMPONENT["io_interface"]["inputs"] * 2}},
            "f.json",
            "f.json: inputs have a name twice",
        ),
        ("x = ", "f.py", "f.py: it is no Python: invalid syntax"),
        ("x = 1", "f.py", "f.py: it has no function main: write `def main(*, ...)`"),
        ("def main(): ...", "f.py", "f.py: it has no COMPONENT_INFO"),
        (
            "COMPONENT_INFO = dict()\ndef main(): ...",
            "f.py",
            "f.py: COMPONENT_INFO (line 1) has to be a literal: it is not run",
        ),
        ("COMPONENT_INFO = {}\ndef main(): ...", "f.py", "f.py: COMPONENT_INFO: Object missing required field `name`"),
        (CODE.replace('"FLOAT"', '"DATE"'), "f.py", "f.py: COMPONENT_INFO: Invalid enum value 'DATE'"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(content: Any, name: str, sentence: str) -> None:
    with pytest.raises(InvalidTransformation) as caught:
        of(content, name)
    assert str(caught.value).startswith(sentence)


def test_a_link_to_a_connector_that_is_not_there() -> None:
    exported = exported_workflow("One", {"a": COMPONENT}, "in -> a.x, a.y -> out", "in: FLOAT", "out: FLOAT", {})
    exported["content"]["links"][0]["end"]["connector"]["id"] = "nowhere"
    with pytest.raises(
        InvalidTransformation, match=r"names the connector nowhere of the operator .*, which is not there"
    ):
        of(exported)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kind": "Pod"}, "file: it is no Transformation of kafkatrigger.dev/v1alpha1: correct apiVersion and kind"),
        ({"spec": {"id": "x"}}, "file: spec: Object missing required field"),
        ({"spec": None}, "file: spec: Expected `object`, got `null`"),
    ],
)
def test_a_manifest_that_is_none(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidTransformation) as caught:
        from_manifest({**to_manifest(of(COMPONENT), "name"), **change}, "file")
    assert str(caught.value).startswith(sentence)


def test_a_manifest_with_too_much_or_without_content() -> None:
    manifest = to_manifest(of(COMPONENT), "name")
    with pytest.raises(InvalidTransformation, match="unknown field `color`"):
        from_manifest({**manifest, "spec": {**manifest["spec"], "color": "red"}}, "file")
    twice = manifest["spec"]["outputs"] * 2
    with pytest.raises(InvalidTransformation, match="file: spec: outputs have a name twice"):
        from_manifest({**manifest, "spec": {**manifest["spec"], "outputs": twice}}, "file")
    del manifest["spec"]["component"]
    with pytest.raises(InvalidTransformation, match="either component or workflow"):
        from_manifest(manifest, "file")
