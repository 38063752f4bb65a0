"""Where `kafkatrigger run` keeps its sockets and configuration, so that other commands find them by the trigger's name.

One folder for each run, in one for each trigger, in one that belongs to the user alone.
"""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

LONGEST = 107 - len("/12345678-12345678/control.sock")
"""Bytes of a trigger's folder: the path of a socket has at most 107."""


class FolderError(Exception):
    """There is no safe and short folder for a run; the message says why and what to do."""


def runs_of(namespace: str, name: str) -> list[Path]:
    """The folders of the trigger's runs, of those that were killed too."""
    folder = _folder(namespace, name)
    return sorted(folder.iterdir()) if folder.is_dir() and _is_ours(_base()) else []


def all_runs() -> list[Path]:
    """The folders of all runs of this user."""
    base = _base()
    return sorted(base.glob("*/*")) if base.is_dir() and _is_ours(base) else []


def new_run(namespace: str, name: str) -> tempfile.TemporaryDirectory[str]:
    """A folder for a run, gone with the context; FolderError."""
    _base().mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_ours(_base()):
        raise FolderError(f"{_base()} has to belong to you, with mode 0700: remove it, or set XDG_RUNTIME_DIR")
    folder = _folder(namespace, name)
    if len(os.fsencode(folder)) > LONGEST:
        raise FolderError(f"{folder} is too long for the path of a socket: set XDG_RUNTIME_DIR to a shorter one")
    folder.mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=folder, ignore_cleanup_errors=True)


def _base() -> Path:
    """The user's own runtime directory, or else a folder among the temporary ones, where others could have made it first."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "kafkatrigger") if runtime else Path(tempfile.gettempdir(), f"kafkatrigger-{os.getuid()}")


def _folder(namespace: str, name: str) -> Path:
    """As short for long names as for others."""
    return _base() / hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:12]


def _is_ours(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
