"""Prometheus and promtool: the machine's own, or from Debian's package, unpacked and not installed, which would start a
server on this machine.
"""

import os
import shutil
from pathlib import Path

from .cache import Entry
from .errors import ClusterError
from .shell import run

_PACKAGE = "prometheus"
_PROGRAMS = ("prometheus", "promtool")
ENTRY = Entry(_PACKAGE, "debian", _PACKAGE)


def ensure() -> bool:
    return all(map(shutil.which, _PROGRAMS)) or ENTRY.ensure(_build)


def program(name: str) -> Path:
    """The path of one of its programs."""
    if found := shutil.which(name):
        return Path(found)
    if not ENTRY.exists():
        raise ClusterError(f"{name} is not there", "run `python3 -m tests.cluster tools`")
    return ENTRY.path / "usr" / "bin" / name


def _build(folder: Path) -> None:
    _download(folder)
    for package in folder.glob("*.deb"):
        run(["dpkg-deb", "--extract", package, folder])
        package.unlink()


def _download(folder: Path) -> None:
    """What only the machine's package lists know: newer packages replace those that they name."""
    command = ["apt-get", "download", "--quiet", _PACKAGE]
    advice = "apt must be able to download Debian's package prometheus; try `apt-get update`, then this command again"
    try:
        run(command, cwd=folder, advice=advice)
    except ClusterError:
        if os.geteuid() != 0:
            raise
        run(["apt-get", "update", "--quiet"], advice=advice)
        run(command, cwd=folder, advice=advice)
