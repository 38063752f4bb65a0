"""`kafkatrigger plot`."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kafkatrigger.cli.main import main
from kafkatrigger.cli.plot import files

FIGURE = {"data": [{"type": "scatter", "x": [1, 2], "y": [3, 4], "name": "</script><b>"}], "layout": {}}


def response(**results: Any) -> dict[str, Any]:
    types = {name: "FLOAT" if isinstance(result, float) else "PLOTLYJSON" for name, result in results.items()}
    return {"error": None, "output_results_by_output_name": results, "output_types_by_output_name": types}


def call(given: Any, *options: str) -> Result:
    text = given if isinstance(given, str) else json.dumps(given)
    return CliRunner().invoke(main, ["plot", "-", *options], input=text)


def test_a_page_for_each_figure(tmp_path: Path) -> None:
    result = call(response(first=FIGURE, slope=1.5, second=FIGURE), "--output-dir", str(tmp_path / "plots"))
    assert result.exit_code == 0, result.output
    assert result.output == f"wrote {tmp_path}/plots/first.html\nwrote {tmp_path}/plots/second.html\n"
    page = (tmp_path / "plots" / "first.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "<b>" not in page.replace("plotly.js", "").rpartition("Plotly.newPlot(")[2]
    assert 'src="http' not in page


def test_a_response_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "response.json").write_text(json.dumps(response(p=FIGURE)))
    result = CliRunner().invoke(main, ["plot", str(tmp_path / "response.json"), "--output-dir", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "p.html").exists()


def test_a_field_of_a_functions_result(tmp_path: Path) -> None:
    result = call({"slope": 1.5, "values": {"data": []}, "picture": FIGURE}, "--output-dir", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert [each.name for each in tmp_path.iterdir()] == ["picture.html"]


def test_files_are_in_the_folder_whatever_outputs_are_called(tmp_path: Path) -> None:
    names = ["../../etc/passwd", "a/b", "a_b", "", "é", "x" * 1000]
    paths = files(dict.fromkeys(names, FIGURE), tmp_path, "png")
    assert len(paths) == len(names)
    assert {each.parent for each in paths} == {tmp_path}
    assert [each.name for each in paths][:5] == ["_etc_passwd.png", "a_b.png", "a_b_.png", "_.png", "é.png"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("{", "the response is no JSON: "),
        ([], "the response is no object, and has no figures"),
        ({"slope": 1.5}, "there are no figures in the response: no field with data and layout"),
        (response(slope=1.5), "there are no figures in the response: no output of type PLOTLYJSON"),
        (response(p={}), "there are no figures in the response: p empty: have pure plot operators run"),
        (
            {**response(), "error": {"message": "too bad"}},
            "there are no figures in the response: it is a failure: too bad",
        ),
    ],
)
def test_why_there_is_nothing_to_look_at(given: Any, sentence: str) -> None:
    result = call(given)
    assert result.exit_code == 1
    assert f"Error: {sentence}" in result.output


def test_a_picture_needs_a_package(tmp_path: Path) -> None:
    result = call(response(p=FIGURE), "--format", "png", "--output-dir", str(tmp_path))
    assert result.exit_code == 0 or "install the package kaleido, and Chrome; or use --format html" in result.output
