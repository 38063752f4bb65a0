"""The base of all images on a machine without a registry: a Debian with Python, made by debootstrap."""

import shutil
from pathlib import Path

from .cache import Entry
from .packages import mirror
from .shell import run

_SUITE = "trixie"
_PACKAGES = "python3,python3-venv,ca-certificates"
# What nobody reads in an image.
_DROPPED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt/lists", "var/cache/apt", "var/log")

ENTRY = Entry("python-base", "3.13", f"{_SUITE} {_PACKAGES} {_DROPPED} 1")
ARCHIVE = ENTRY.path / "rootfs.tar"


def ensure() -> bool:
    return ENTRY.ensure(_build)


def _build(folder: Path) -> None:
    root = folder / "rootfs"
    advice = "debootstrap needs root and the machine's Debian mirror; try again when the mirror answers"
    run(["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, root, mirror()], advice=advice)
    for dropped in _DROPPED:
        shutil.rmtree(root / dropped, ignore_errors=True)
        (root / dropped).mkdir(parents=True)
    run(["tar", "--create", "--file", folder / ARCHIVE.name, "--directory", root, "."])
    shutil.rmtree(root)
