"""The container's memory limit, wherever the kernel shows it."""

import os
from pathlib import Path

import pytest

from kafkatrigger.runtime.memory import budget, container_limit, kernel_kills, own_memory

MIB = 1 << 20


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_version_2_in_a_container(tmp_path: Path) -> None:
    write(tmp_path / "self", "0::/\n")
    write(tmp_path / "fs/memory.max", f"{512 * MIB}\n")
    assert container_limit(tmp_path / "fs", tmp_path / "self") == 512 * MIB


def test_version_2_the_lowest_of_all_groups_above(tmp_path: Path) -> None:
    write(tmp_path / "self", "0::/pod/container\n")
    write(tmp_path / "fs/pod/container/memory.max", "max\n")
    write(tmp_path / "fs/pod/memory.max", f"{256 * MIB}\n")
    assert container_limit(tmp_path / "fs", tmp_path / "self") == 256 * MIB


def test_version_1_with_the_hosts_path(tmp_path: Path) -> None:
    write(tmp_path / "self", "4:memory:/kubepods/x\n1:cpu:/kubepods/x\n0::/\n")
    write(tmp_path / "fs/memory/memory.limit_in_bytes", f"{128 * MIB}\n")
    write(tmp_path / "fs/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert container_limit(tmp_path / "fs", tmp_path / "self") == 128 * MIB
    assert kernel_kills(tmp_path / "fs", tmp_path / "self") == 3


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n", ""])
def test_no_limit(tmp_path: Path, text: str) -> None:
    write(tmp_path / "self", "0::/\n")
    write(tmp_path / "fs/memory.max", text)
    assert budget(tmp_path / "fs", tmp_path / "self") is None
    assert budget(tmp_path / "nowhere", tmp_path / "nothing") is None


@pytest.mark.parametrize(("limit", "expected"), [(1000, 900), (128, 96), (40, 20)])
def test_the_budget_leaves_a_margin(tmp_path: Path, limit: int, expected: int) -> None:
    write(tmp_path / "self", "0::/\n")
    write(tmp_path / "fs/memory.max", str(limit * MIB))
    assert budget(tmp_path / "fs", tmp_path / "self") == expected * MIB


def test_memory_of_a_process() -> None:
    assert own_memory(os.getpid()) > 5 * MIB
    assert own_memory(1 << 30) == 0
