"""`kafkatrigger import` and `kafkatrigger test`."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.cli.main import main
from kafkatrigger.cli.manifest import documents, text_of
from kafkatrigger.cli.transformations import named
from tests.support.adapters import secret_of
from tests.unit.runtime.transformations.helpers import component, exported_component, exported_workflow
from tests.unit.runtime.transformations.test_rul import RUL

ADD = exported_component(
    "Add one", "def main(*, x):\n    print('adding')\n    return {'y': x + 1}\n", "x: INT = 1", "y: INT"
)
FLOW = exported_workflow("Flow", {"a": ADD, "b": ADD}, "x -> a.x, a.y -> b.x, b.y -> y", "x: INT = 5", "y: INT", {})


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Transformations that were imported."""
    (tmp_path / "exported.json").write_text(json.dumps([ADD, FLOW]))
    result = call("import", tmp_path / "exported.json", "--output-dir", tmp_path / "here")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "here"
    assert result.output.splitlines() == [
        f"wrote {folder}/add-one-1-0-0.yaml",
        f"wrote {folder}/flow-1-0-0.yaml",
        f"into a cluster: kubectl apply --server-side --filename {folder}",
    ]
    return tmp_path / "here"


def test_what_is_imported_can_be_read(folder: Path) -> None:
    text = (folder / "add-one-1-0-0.yaml").read_text()
    assert "    code: |\n      def main(*, x):\n          print('adding')\n" in text
    manifest = yaml.safe_load(text)
    assert (manifest["kind"], manifest["metadata"]["name"]) == ("Transformation", "add-one-1-0-0")
    assert manifest["spec"]["id"] == ADD["id"]


def test_a_workflow_runs_with_the_others_of_its_folder(folder: Path) -> None:
    result = call("test", folder / "flow-1-0-0.yaml")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["output_results_by_output_name"] == {"y": 7}
    assert result.stderr == "adding\nadding\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wiring.json", '{"input_wirings": [{"workflow_input_name": "x", "filters": {"value": "10"}}]}'),
        ("wiring.yml", 'inputWirings: [{workflowInputName: x, filters: {value: "10"}}]'),
    ],
)
def test_another_wiring(folder: Path, name: str, text: str) -> None:
    wiring = folder.parent / name
    wiring.write_text(text)
    result = call("test", folder / "flow-1-0-0.yaml", "--wiring", wiring)
    assert json.loads(result.stdout)["output_results_by_output_name"] == {"y": 12}


WIRED = {"input_wirings": [{"workflow_input_name": "x", "adapter_id": "files", "ref_id": "x.json"}]}


@pytest.mark.parametrize("name", ["adapters.yaml", "adapters.json"])
def test_adapters(folder: Path, name: str) -> None:
    around = folder.parent
    (around / "wiring.json").write_text(json.dumps(WIRED))
    (around / "x.json").write_text("10")
    adapters = [{"name": "files", "type": "local_file", "options": {"folders": [str(around)]}}]
    (around / name).write_text(json.dumps(adapters))
    result = call("test", folder / "flow-1-0-0.yaml", "--wiring", around / "wiring.json", "--adapters", around / name)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["output_results_by_output_name"] == {"y": 12}


def test_secrets_of_adapters_are_folders_beside_the_file(folder: Path) -> None:
    around = folder.parent
    (around / "wiring.json").write_text(json.dumps(WIRED))
    secret_of(around / "secret", url=f"sqlite:///{around / 'nothing.db'}")
    adapters = [{"name": "files", "type": "sql", "secretFolder": "secret", "options": {"tables": ["a"]}}]
    (around / "adapters.yaml").write_text(json.dumps(adapters))
    result = call(
        "test", folder / "flow-1-0-0.yaml", "--wiring", around / "wiring.json", "--adapters", around / "adapters.yaml"
    )
    assert result.exit_code == 1
    assert "this is none of the tables and queries" in result.stdout


@pytest.mark.parametrize(
    ("adapters", "sentence"),
    [
        ({}, "has to be a list of adapters: Expected `array`, got `object`"),
        (
            [{"name": "a", "type": "local_file", "folder": "x"}],
            "has to be a list of adapters: Object contains unknown field `folder`",
        ),
        ([{"name": "a", "type": "ftp"}], "the adapter 'a' (ftp): there is no such type here"),
        ([{"name": "a", "type": "sql", "options": {"tables": ["a"]}}], "its secret has no readable key 'url'"),
    ],
)
def test_adapters_that_cannot_be_made_are_said(folder: Path, adapters: Any, sentence: str) -> None:
    (folder.parent / "adapters.json").write_text(json.dumps(adapters))
    result = call("test", folder / "flow-1-0-0.yaml", "--adapters", folder.parent / "adapters.json")
    assert result.exit_code == 1
    assert sentence in result.output


def test_a_failure_is_the_exit_code(folder: Path) -> None:
    (folder / "add-one-1-0-0.yaml").unlink()
    result = call("test", folder / "flow-1-0-0.yaml")
    assert result.exit_code == 1
    assert "which is not there: add it" in json.loads(result.stdout)["error"]["message"]


def test_plots_are_made_when_they_are_asked_for(tmp_path: Path) -> None:
    plot = exported_component("Plot", "def main():\n    return {'p': {'data': []}}\n", "", "p: PLOTLYJSON")
    (tmp_path / "plot.json").write_text(json.dumps(plot))
    call("import", tmp_path / "plot.json", "--output-dir", tmp_path)
    figure: dict[str, Any] = {"data": []}
    for options, expected in (([], {}), (["--run-pure-plot-operators"], figure)):
        result = call("test", tmp_path / "plot-1-0-0.yaml", *options)
        assert json.loads(result.stdout)["output_results_by_output_name"] == {"p": expected}


def test_nothing_is_written_where_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(json.dumps(ADD))
    (tmp_path / "bad.json").write_text("{")
    for bad, sentence in (
        ("bad.json", "Input data was truncated"),
        ("none.json", "none.json: No such file or directory"),
    ):
        result = call("import", tmp_path / "good.json", tmp_path / bad, "--output-dir", tmp_path / "here")
        assert result.exit_code == 1
        assert sentence in result.stderr
        assert not (tmp_path / "here").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda folder: (folder / "flow-1-0-0.yaml").write_text("a: 1"),
            "holds 0 Transformations, and has to hold one",
        ),
        (lambda folder: (folder / "flow-1-0-0.yaml").write_text("a: ["), "is not YAML"),
        (lambda folder: (folder / "flow-1-0-0.yaml").unlink(), "cannot be read: No such file or directory"),
        (
            lambda folder: (folder / "copy.yaml").write_text((folder / "flow-1-0-0.yaml").read_text()),
            "copy.yaml hold a Transformation of the same id: remove one of them",
        ),
        (
            lambda folder: (folder / "flow-1-0-0.yaml").write_text("kind: Transformation\napiVersion: v1\n"),
            "it is no Transformation of kafkatrigger.dev/v1alpha1",
        ),
    ],
)
def test_a_file_that_cannot_be_run_is_said(folder: Path, change: Any, sentence: str) -> None:
    change(folder)
    result = call("test", folder / "flow-1-0-0.yaml")
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("w.json", "{", "is not JSON"),
        ("w.json", "[]", "the wiring cannot be read: Expected `object`, got `array`"),
        ("w.yaml", "inputWirings: [{workflowInputName: x, filters: {value: 10}}]", "Expected `str | null`, got `int`"),
        ("none.json", None, "cannot be read: No such file or directory"),
    ],
)
def test_a_wiring_that_cannot_be_read_is_said(folder: Path, name: str, text: str | None, sentence: str) -> None:
    if text is not None:
        (folder.parent / name).write_text(text)
    result = call("test", folder / "flow-1-0-0.yaml", "--wiring", folder.parent / name)
    assert result.exit_code == 1
    assert sentence in result.stderr


def test_names_of_resources() -> None:
    first, other = component("Ünï / Größe", ""), component("uni groesse", "")
    assert list(named([first])) == ["n-gr-e-1-0-0"]
    assert list(named([other, component("Uni  Groesse", "")])) == ["uni-groesse-1-0-0", "uni-groesse-1-0-0-uni-groesse"]
    assert [len(name) for name in named([component("x" * 300, "")])] == [253]


@given(
    st.recursive(
        st.text() | st.sampled_from(["1e5", "yes", "1.0", "2020-01-01", "0o7", "~", " a", "a\n", "a \nb", "\t"]),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_yaml_is_read_as_what_it_was(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "document.yaml"
    path.write_text(text_of({"value": value}))
    assert documents(path) == [{"value": value}]


def test_the_whole_of_an_export_survives(tmp_path: Path) -> None:
    (tmp_path / "rul.json").write_text(json.dumps(RUL))
    assert call("import", tmp_path / "rul.json", "--output-dir", tmp_path).exit_code == 0
    (manifest,) = documents(tmp_path / "rul-1-0-0.yaml")
    assert len(manifest["spec"]["workflow"]["operators"]) == 4
