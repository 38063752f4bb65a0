"""Files in folders of the runtime's container, such as volumes. `ref_id` is a path."""

import os
import stat
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from kafkatrigger.runtime.adapters.formats import read, written
from kafkatrigger.runtime.adapters.protocol import AdapterError, Options, Wired, options_of
from kafkatrigger.runtime.transformations.model import DataType


class LocalFileOptions(Options, frozen=True, kw_only=True):
    """Absolute paths of folders."""

    folders: tuple[str, ...] = ()
    """Whose files may be read."""
    writable_folders: tuple[str, ...] = ()
    """Whose files may be written."""


class LocalFileAdapter:
    """Reads and replaces files."""

    def __init__(self, options: Mapping[str, Any], secrets: Path) -> None:  # noqa: ARG002 - files need no credentials
        given = options_of(options, LocalFileOptions)
        self._readable = _folders("folders", given.folders)
        self._writable = _folders("writableFolders", given.writable_folders)
        if not self._readable and not self._writable:
            raise AdapterError("it may reach nothing: name folders in folders or writableFolders")

    def load(self, wired: Wired, kind: DataType) -> Any:
        """The value of a file."""
        path = _inside(wired.ref_id, self._readable, "folders")
        try:
            with _opened(path) as file:
                return read(file, path.name, kind)
        except OSError as error:
            raise AdapterError(f"the file cannot be read: {error.strerror or error}") from None

    def send(self, wired: Wired, kind: DataType, value: Any) -> None:
        """Replaces a file as a whole: who reads it sees the file from before, or this one."""
        path = _inside(wired.ref_id, self._writable, "writableFolders")
        try:
            _replace(path, written(value, path.name, kind))
        except OSError as error:
            raise AdapterError(f"the file cannot be written: {error.strerror or error}") from None

    def close(self) -> None:
        """Nothing is open between calls."""


def _folders(option: str, given: Iterable[str]) -> tuple[Path, ...]:
    """As they are behind links; AdapterError."""
    folders = tuple(map(Path, given))
    for each in folders:
        if not each.is_absolute() or not each.is_dir():
            raise AdapterError(
                f"option {option}: {str(each)!r} is no folder here: write the absolute path of one, and mount it"
            )
    return tuple(each.resolve() for each in folders)


def _inside(ref_id: str, folders: Iterable[Path], option: str) -> Path:
    """The path behind all links, which is looked at and then stays in a folder; the first where there is such a file.

    What is outside is not looked for: nobody learns what is there.
    """
    try:
        paths = [path for folder in folders if (path := (folder / ref_id).resolve()).is_relative_to(folder)]
    except (OSError, RuntimeError, ValueError):  # NUL, names that are too long, links in a circle
        paths = []
    if not paths:
        raise AdapterError(
            f"this is no path in one of the folders that option {option} allows: correct ref_id, or add its folder"
        )
    return next(filter(os.path.lexists, paths), paths[0])


def _opened(path: Path) -> IO[bytes]:
    """The file; a pipe or device, on which a read could wait for ever, is none."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise AdapterError("this is no file: name one")
    return os.fdopen(number, "rb")


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
