"""What the page on transformations shows can be done."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from kafkatrigger.cli.main import main
from tests.support.docs import ROOT, blocks, commands

PAGE = ROOT / "docs" / "transformations.md"


def call(text: str) -> Result:
    program, *arguments = text.split()
    assert program == "kafkatrigger"
    return CliRunner().invoke(main, arguments)


def results(result: Result) -> list[float]:
    assert result.exit_code == 0, result.output
    found: list[float] = json.loads(result.stdout)["output_results_by_output_name"]["fahrenheit"]["__data__"]["data"]
    return found


def test_the_example_is_imported_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples" / "transformations", tmp_path / "examples" / "transformations")
    monkeypatch.chdir(tmp_path)
    imported, tested = commands(PAGE, "import and test")
    assert call(imported.text).output == imported.output
    assert results(call(tested.text)) == [68.0, 77.0]
    (by_hand,) = (block for block in blocks(PAGE, "yaml") if "kind: Transformation\n" in block.text)
    (tmp_path / "transformations" / "boiling.yaml").write_text(by_hand.text)
    assert results(call("kafkatrigger test transformations/boiling.yaml")) == [212.0, 32.0]
    assert yaml.safe_load(by_hand.text)["metadata"]["name"] == "boiling-1-0-0"
