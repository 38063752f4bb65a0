"""Transformations in files: by the name of their resource, and with all that they are made of."""

from pathlib import Path

from kafkatrigger.cli.manifest import SUFFIXES, ManifestError, of_kind
from kafkatrigger.cli.render import counted
from kafkatrigger.runtime.transformations.model import KIND, Revision, from_manifest


def find(wanted: str, folder: Path) -> tuple[Path, Revision]:
    """The Transformation of a file, or the one of this name in the folder; ManifestError, TransformationError."""
    file = Path(wanted)
    if file.is_file() or file.suffix in SUFFIXES:
        return file, _only(file)
    found = [
        (each, from_manifest(manifest, str(each)))
        for each, content in _files(folder).items()
        if wanted.encode() in content
        for manifest in of_kind(each, KIND)
        if wanted == (manifest.get("metadata") or {}).get("name")
    ]
    if len(found) != 1:
        raise ManifestError(
            f"{folder} holds {counted(len(found), KIND)} called {wanted!r}: name a file, or another folder with --dir"
        )
    return found[0]


def with_parts(file: Path, revision: Revision) -> list[Revision]:
    """The revision, and those of the file's folder that it is made of; ManifestError where two have the same id.

    Files that mention none of them are not read: a folder may hold hundreds.
    """
    found, unread = {revision.id: (file, revision)}, _files(file.parent)
    unread = {each: content for each, content in unread.items() if not each.samefile(file)}
    wanted = {revision.id, *_parts(revision)}
    while there := [each for each, content in unread.items() if any(word.encode() in content for word in wanted)]:
        for each in there:
            del unread[each]
            for other in _revisions(each):
                if other.id in found:
                    raise ManifestError(
                        f"{found[other.id][0]} and {each} hold a {KIND} of the same id: remove one of them"
                    )
                found[other.id] = (each, other)
                wanted.update(_parts(other))
    return [each for _, each in found.values()]


def _parts(revision: Revision) -> list[str]:
    return [each.transformation_id for each in revision.workflow.operators] if revision.workflow else []


def _only(file: Path) -> Revision:
    found = _revisions(file)
    if len(found) != 1:
        raise ManifestError(f"{file} holds {counted(len(found), KIND)}, and has to hold one: write a file for each")
    return found[0]


def _revisions(file: Path) -> list[Revision]:
    return [from_manifest(each, str(file)) for each in of_kind(file, KIND)]


def _files(folder: Path) -> dict[Path, bytes]:
    try:
        return {each: each.read_bytes() for each in sorted(folder.iterdir()) if each.suffix in SUFFIXES}
    except OSError as error:
        raise ManifestError(f"{error.filename} cannot be read: {error.strerror}") from None
