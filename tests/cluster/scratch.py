"""Folders for programs that a test starts; one whose test was killed is cleared away by the next test that needs one."""

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from .process import Daemon, Process

_PREFIX = "kafkatrigger-test-"
_OWNER = "owner.json"


def new_folder(kind: str) -> Path:
    """An empty folder that belongs to this process."""
    _clear_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}-"))
    if owner := Process.of(os.getpid()):
        (folder / _OWNER).write_text(json.dumps(asdict(owner)))
    return folder


def remove(folder: Path) -> None:
    """Ends every program that was started in it, and removes it."""
    for file in folder.glob("pid/*.json"):
        # They have nothing to hand over, so nothing is gained by asking politely.
        Daemon(file.stem, folder).kill()
    shutil.rmtree(folder, ignore_errors=True)


def _clear_abandoned() -> None:
    for file in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_OWNER}"):
        try:
            owner = Process(**json.loads(file.read_text()))
        except (OSError, ValueError):
            continue
        if not owner.runs():
            remove(file.parent)
