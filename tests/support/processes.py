"""Processes of pods. Their containers have to run on this machine, and to signal them takes root."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


def of_pods() -> Iterator[tuple[int, str]]:
    """Numbers on this machine, each with the name of its pod, which is its host's."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            variables = dict(each.partition("=")[::2] for each in path.read_text(errors="replace").split("\0"))
            if name := variables.get("HOSTNAME"):
                yield int(path.parent.name), name


def of(pod: str, module: str) -> list[int]:
    """Those of a pod that run a Python module, such as `kafkatrigger.runtime`, or one below it."""
    return sorted(process for process, name in of_pods() if name == pod and module in _command(process))


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
