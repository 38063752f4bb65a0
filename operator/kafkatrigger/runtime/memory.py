"""How much memory the workers use, and how much they may.

The kernel ends a container that exceeds its limit, with all of its workers and without a word about which message it
was. So the supervisor ends the largest worker before that.
"""

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGESIZE")
_MARGIN = 32 << 20
_CGROUPS = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60


def budget(cgroups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int | None:
    """Bytes that the workers may use together: the container's limit less what the supervisor and bursts between two
    samples need, which is a tenth or 32 MiB. None without a limit.
    """
    limit = container_limit(cgroups, membership)
    return None if limit is None else max(limit - max(limit // 10, _MARGIN), limit // 2)


def container_limit(cgroups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int | None:
    """The lowest memory limit of the control group that this process is in and of those above it."""
    files = _group_files(cgroups, membership, "memory.max", "memory.limit_in_bytes")
    return min((limit for file in files if (limit := _limit(file)) is not None), default=None)


def kernel_kills(cgroups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """How many processes of the container the kernel has ended for lack of memory."""
    for file in _group_files(cgroups, membership, "memory.events", "memory.oom_control"):
        for line in _lines(file):
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def own_memory(pid: int) -> int:
    """Bytes that a process holds for itself: resident and not shared, since mapped files can be dropped at any time."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:  # it ended
        return 0
    return (int(fields[1]) - int(fields[2])) * _PAGE if len(fields) > 2 else 0


def _group_files(cgroups: Path, membership: Path, name: str, name_in_v1: str) -> list[Path]:
    """Where a file of the own control group may be, and of those above it, nearest first.

    Version 2 has one hierarchy, version 1 one for each resource; a machine may have both.
    """
    files = []
    for line in _lines(membership):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            files += _upwards(cgroups, path, name)
        elif "memory" in controllers.split(","):
            files += _upwards(cgroups / "memory", path, name_in_v1)
    return files


def _upwards(root: Path, path: str, name: str) -> list[Path]:
    """The file in a group and in all above it. In a container the path may be the host's: then only the root exists."""
    group = Path(path.strip("/"))
    return [root / each / name for each in (group, *group.parents)]


def _limit(file: Path) -> int | None:
    text = "".join(_lines(file))
    return int(text) if text.isdigit() and int(text) < _UNLIMITED else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
