"""What processes cost, as the kernel counts it."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads; 0 for one that is gone."""
    return _cpu_seconds(Path(f"/proc/{pid}/stat"))


def thread_seconds(pid: int) -> dict[int, float]:
    """The same of each thread that it has, by id."""
    return {int(task.name): _cpu_seconds(task / "stat") for task in Path(f"/proc/{pid}/task").glob("*")}


def _cpu_seconds(file: Path) -> float:
    try:
        stat = file.read_text()
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()  # a name may hold blanks
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int, field: str = "VmRSS") -> float:
    """MiB that a process has in memory, with `VmHWM` the most it ever had; 0 for one that is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


def children(pid: int) -> list[int]:
    """Processes that it started and that run, in the order of their start."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found |= {int(child) for child in task.read_text().split()}
    return sorted(found)
