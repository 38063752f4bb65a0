"""`kafkatrigger import` and `kafkatrigger test`: transformations of hetida designer, on this machine."""

import asyncio
import contextlib
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec
import orjson

from kafkatrigger.api.adapters import AdapterSettings
from kafkatrigger.cli.local_transformations import SUFFIXES
from kafkatrigger.cli.manifest import ManifestError, documents, text_of
from kafkatrigger.cli.render import counted, json_text
from kafkatrigger.runtime.adapters.kept import Kept
from kafkatrigger.runtime.adapters.protocol import NO_SECRET, AdapterError
from kafkatrigger.runtime.adapters.registry import close_all, make_all
from kafkatrigger.runtime.transformations import wiring as wirings
from kafkatrigger.runtime.transformations.execution import Library
from kafkatrigger.runtime.transformations.hetida import revisions_of
from kafkatrigger.runtime.transformations.model import KIND, Revision, from_manifest, to_manifest
from kafkatrigger.runtime.transformations.problems import TransformationError

_LONGEST = 253
"""Characters of a resource's name."""


@click.command("import", short_help="Turn exports of hetida designer into Transformations.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output-dir",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the Transformations, a file for each; it is made, and files of the same name are replaced.",
)
def import_files(files: tuple[Path, ...], folder: Path) -> None:
    """Write a Transformation for each revision that hetida designer has exported to the files.

    A file is JSON, of one revision or a list of them, or a component as one Python file, with COMPONENT_INFO in it. It is
    read and not run. Where one of the files cannot be read, nothing is written. Apply them with
    `kubectl apply --server-side`.
    """
    try:
        revisions = [revision for file in files for revision in revisions_of(file, file.read_bytes())]
        folder.mkdir(parents=True, exist_ok=True)
        for name, revision in named(revisions).items():
            path = folder / f"{name}.yaml"
            path.write_text(text_of(to_manifest(revision, name)))
            click.echo(f"wrote {path}")
        click.echo(f"into a cluster: kubectl apply --server-side --filename {folder}")
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    except TransformationError as error:
        raise click.ClickException(str(error)) from None


def named(revisions: Iterable[Revision]) -> dict[str, Revision]:
    """Revisions by the names of their resources: name and tag, and the id where others have these as well. Pure."""
    found: dict[str, Revision] = {}
    for revision in revisions:
        name = _resource_name(f"{revision.name}-{revision.version_tag}")
        if not name or found.get(name, revision).id != revision.id:
            name = _resource_name(f"{name[:200]}-{revision.id}")
        found[name] = revision
    return found


def _resource_name(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", text.lower())[:_LONGEST].strip("-")


@click.command(short_help="Run a Transformation with its test wiring.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--wiring", "wiring_file", type=click.Path(path_type=Path), help="Wiring to use instead, JSON or YAML.")
@click.option(
    "--adapters",
    "adapters_file",
    type=click.Path(path_type=Path),
    help="Adapters that the wiring names: a list of name, type, options and secretFolder, JSON or YAML.",
)
@click.option("--run-pure-plot-operators", is_flag=True, help="Run operators that make nothing but plots as well.")
def test(file: Path, wiring_file: Path | None, adapters_file: Path | None, run_pure_plot_operators: bool) -> None:
    """Run the Transformation of a file and print the response, as JSON.

    The transformations that a workflow is made of are looked for in the folder of the file. What components print goes
    to the standard error. The exit code is 1 where it fails.
    """
    try:
        revision = _revision(file)
        library = Library(_around(file, revision))
        wiring = _wiring(wiring_file) if wiring_file else None
        adapters = _adapters(adapters_file) if adapters_file else {}
    except (ManifestError, TransformationError, AdapterError) as error:
        raise click.ClickException(str(error)) from None
    with contextlib.redirect_stdout(sys.stderr):
        run = library.run(revision.id, wiring, adapters=adapters, run_pure_plot_operators=run_pure_plot_operators)
        response = asyncio.run(run)
    close_all(adapters)
    click.echo(json_text(orjson.loads(response.json())))
    if not response.is_ok:
        sys.exit(1)


def _revision(file: Path) -> Revision:
    """The one that the file holds; ManifestError, TransformationError."""
    found = _revisions(file)
    if len(found) != 1:
        raise ManifestError(f"{file} holds {counted(len(found), KIND)}, and has to hold one: write a file for each")
    return found[0]


def _revisions(file: Path) -> list[Revision]:
    return [from_manifest(each, str(file)) for each in documents(file) if _is_transformation(each)]


def _is_transformation(document: Any) -> bool:
    return isinstance(document, dict) and document.get("kind") == KIND


def _around(file: Path, revision: Revision) -> list[Revision]:
    """The revision and all others of its folder; ManifestError where two have the same id."""
    found = {revision.id: (file, revision)}
    for other in sorted(each for each in file.parent.iterdir() if each.suffix in SUFFIXES and not each.samefile(file)):
        for each in _revisions(other):
            if each.id in found:
                raise ManifestError(f"{found[each.id][0]} and {other} hold a {KIND} of the same id: remove one of them")
            found[each.id] = (other, each)
    return [each for _, each in found.values()]


def _wiring(file: Path) -> wirings.Wiring:
    """The wiring of a file; ManifestError, InvalidWiring."""
    return wirings.from_json(_content(file))


class _LocalAdapter(AdapterSettings, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An adapter, and the folder with a file for each key of its secret, from the folder of the file on."""

    secret_folder: str = ""


def _adapters(file: Path) -> dict[str, Kept]:
    """The adapters of a file; ManifestError, AdapterError."""
    try:
        settings = msgspec.convert(_content(file), list[_LocalAdapter])
    except msgspec.ValidationError as error:
        raise ManifestError(f"{file} has to be a list of adapters: {error}") from None
    folders = {each.name: file.parent / each.secret_folder if each.secret_folder else NO_SECRET for each in settings}
    return make_all(settings, lambda each: folders[each.name])


def _content(file: Path) -> Any:
    """What a file of JSON or YAML says; ManifestError."""
    if file.suffix != ".json":
        return next(iter(documents(file)), None)
    try:
        return msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise ManifestError(f"{file} cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise ManifestError(f"{file} is not JSON: {error}") from None
