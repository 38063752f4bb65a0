"""Folders that are built once and then only read, named after what they were built from."""

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .settings import CACHE


@dataclass(frozen=True)
class Entry:
    """One folder of the cache: `name-version-<hash of the recipe>`."""

    name: str
    version: str
    recipe: str

    @property
    def path(self) -> Path:
        return CACHE / f"{self.name}-{self.version}-{hashlib.sha256(self.recipe.encode()).hexdigest()[:12]}"

    def exists(self) -> bool:
        return self.path.is_dir()

    def ensure(self, build: Callable[[Path], None]) -> bool:
        """Builds the folder when it is missing; says whether it was there.

        It is built under another name and renamed when it is complete: an interrupted build leaves no half folder.
        """
        if self.exists():
            return True
        with lock(self.name):
            if self.exists():
                return True
            with _folder_to_fill() as folder:
                build(folder)
                folder.rename(self.path)
        return False


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """One process at a time; released by the kernel when its holder dies."""
    locks = CACHE / "lock"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / name).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _folder_to_fill() -> Iterator[Path]:
    scratch = CACHE / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
