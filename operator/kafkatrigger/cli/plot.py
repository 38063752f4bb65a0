"""`kafkatrigger plot`: the figures of a response as files, for people to look at."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click
import orjson

Format = Literal["html", "png"]
_PLOT = "PLOTLYJSON"
_OUTPUTS = "output_results_by_output_name"
_LONGEST = 100
"""Characters of an output's name in that of a file."""


@click.command(short_help="Write the figures of a response to files.")
@click.argument("file", metavar="FILE|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--output-dir",
    "folder",
    default=".",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the files, one for each figure; it is made, and files of the same name are replaced.",
)
@click.option(
    "--format",
    "form",
    default="html",
    show_default=True,
    type=click.Choice(["html", "png"]),
    help="A page that needs nothing else, or a picture (this needs the package kaleido, and Chrome).",
)
def plot(file: Path, folder: Path, form: Format) -> None:
    """Write the figures of a response to files: its outputs of type PLOTLYJSON, or the fields of a function's result that
    have data and layout.

    The response is one JSON document, as it is in the response topic and as `kafkatrigger test` prints it; - reads it from
    the standard input. Files are called as the outputs are.
    """
    try:
        with click.open_file(str(file), "rb") as opened:
            found = figures(opened.read())
        for path, figure in files(found, folder, form).items():
            folder.mkdir(parents=True, exist_ok=True)
            _write(figure, path, form)
            click.echo(f"wrote {path}")
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None


def figures(document: bytes) -> Mapping[str, Any]:
    """The figures of a response, by output; ClickException where there are none."""
    try:
        response = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise click.ClickException(f"the response is no JSON: {error}") from None
    if not isinstance(response, dict):
        raise click.ClickException("the response is no object, and has no figures")
    found = _of_outputs(response) if _OUTPUTS in response else _of_fields(response)
    if not found:
        raise click.ClickException(f"there are no figures in the response: {_why_not(response)}")
    return found


def _of_outputs(response: Mapping[str, Any]) -> dict[str, Any]:
    """Of a transformation."""
    types = response.get("output_types_by_output_name") or {}
    return {name: each for name, each in response[_OUTPUTS].items() if types.get(name) == _PLOT and _is_figure(each)}


def _of_fields(response: Mapping[str, Any]) -> dict[str, Any]:
    """Of a function, which says nothing of types."""
    return {name: each for name, each in response.items() if _is_figure(each) and "layout" in each}


def _is_figure(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("data"), list)


def _why_not(response: Mapping[str, Any]) -> str:
    if response.get("error"):
        return f"it is a failure: {response['error'].get('message')}"
    plots = [name for name, kind in (response.get("output_types_by_output_name") or {}).items() if kind == _PLOT]
    if plots:
        return f"{', '.join(plots)} empty: have pure plot operators run"
    return f"no output of type {_PLOT}" if _OUTPUTS in response else "no field with data and layout"


def files(found: Mapping[str, Any], folder: Path, form: Format) -> dict[Path, Any]:
    """Figures by the paths of their files, which are in the folder whatever outputs are called. Pure."""
    paths: dict[Path, Any] = {}
    for name, figure in found.items():
        stem = re.sub(r"[^\w-]+", "_", name)[:_LONGEST] or "_"
        while (path := folder / f"{stem}.{form}") in paths:
            stem += "_"
        paths[path] = figure
    return paths


def _write(figure: Any, path: Path, form: Format) -> None:
    try:
        import plotly.io
    except ImportError:
        raise click.ClickException("figures need plotly: install kafkatrigger[analytics]") from None
    try:
        if form == "html":
            plotly.io.write_html(figure, path, validate=False)
        else:
            plotly.io.write_image(figure, path, validate=False)
    except (ImportError, RuntimeError, TypeError, ValueError) as error:
        problem = str(error).strip().partition("\n")[0]
        mend = " (install the package kaleido, and Chrome; or use --format html)" if form == "png" else ""
        raise click.ClickException(f"{path.stem}: {problem}{mend}") from None
