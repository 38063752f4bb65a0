"""Kernel settings that the cluster changes: written down before, put back after."""

import contextlib
import json
from pathlib import Path

from .settings import STATE

# The first is needed for pods to reach anything; kubelet and kube-proxy change the others.
_CHANGED = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/panic_on_oops",
)
_SAVED = STATE / "kernel.json"


def prepare() -> None:
    if not _SAVED.exists():
        values = {name: _file(name).read_text().strip() for name in _CHANGED if _file(name).exists()}
        _SAVED.write_text(json.dumps(values))
    _file("net/ipv4/ip_forward").write_text("1")


def restore() -> None:
    if not _SAVED.exists():
        return
    for name, value in json.loads(_SAVED.read_text()).items():
        with contextlib.suppress(OSError):
            _file(name).write_text(value)


def _file(name: str) -> Path:
    return Path("/proc/sys") / name
