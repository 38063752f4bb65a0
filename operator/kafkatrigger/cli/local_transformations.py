"""The Transformations of a run on this machine: those of the trigger's file and of a folder, for its consumer to read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from kafkatrigger.cli.manifest import ManifestError, documents
from kafkatrigger.runtime.transformations.model import KIND, from_manifest

SUFFIXES = (".yaml", ".yml")


class LocalTransformations:
    """Looks at the files again and again: what is edited runs without a restart, as on a cluster."""

    def __init__(self, file: Path, folder: Path) -> None:
        self._file = file
        self._folder = folder
        self._stamps: dict[Path, tuple[int, int]] = {}
        self.json = b""
        """All of them as they were last found, in the form of a list of the API."""

    def look(self) -> bool:
        """Whether something is new: a file has changed since the last look.

        ManifestError or TransformationError where one cannot be read, once for each change.
        """
        stamps = {path: (found.st_mtime_ns, found.st_size) for path in self._files() if (found := _stat(path))}
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        self.json = msgspec.json.encode({"items": list(_manifests(sorted(stamps)))})
        return True

    def _files(self) -> set[Path]:
        """Each once, whatever it is called by."""
        beside = (each for each in self._folder.iterdir() if each.suffix in SUFFIXES and each.is_file())
        return {each.resolve() for each in (self._file, *beside)}


def _stat(path: Path) -> Any:
    try:
        return path.stat()
    except OSError:  # it went away meanwhile
        return None


def _manifests(files: list[Path]) -> Iterator[dict[str, Any]]:
    names: dict[str, Path] = {}
    ids: dict[str, Path] = {}
    for file in files:
        for document in documents(file):
            if not isinstance(document, dict) or document.get("kind") != KIND:
                continue
            revision = from_manifest(document, str(file))
            metadata = document.get("metadata")
            name = metadata.get("name") if isinstance(metadata, dict) else None
            if not isinstance(metadata, dict) or not isinstance(name, str):
                raise ManifestError(f"{file}: a {KIND} has no metadata.name: give it one")
            _refuse_twice(names, name, file, "name")
            _refuse_twice(ids, revision.id, file, "id")
            yield {"metadata": {"name": name, "labels": metadata.get("labels") or {}}, "spec": document["spec"]}


def _refuse_twice(found: dict[str, Path], value: str, file: Path, what: str) -> None:
    if value in found:
        raise ManifestError(f"{found[value]} and {file} hold a {KIND} of the same {what}, {value}: remove one of them")
    found[value] = file
