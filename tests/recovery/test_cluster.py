"""The local cluster, brought up again and again, also after its processes were killed."""

import subprocess
import sys
import time

import pytest

from tests.cluster import commands, native
from tests.cluster.process import Process
from tests.cluster.provider import Provider
from tests.cluster.settings import REPOSITORY
from tests.support.release import DEFAULT, images, values
from tests.support.triggers import Namespace

QUICK = 30
"""Seconds for nothing to do; the images are looked at, and compared."""


def test_after_all_was_killed_it_comes_back_and_a_trigger_works(cluster: Provider, bootstrap: str) -> None:
    if not cluster.is_native:
        pytest.skip("kind's processes are Docker's to restart")
    processes = native.processes()
    for pid in processes.values():
        process = Process.of(pid) if pid else None
        assert process, processes
        process.kill()
    assert not any(native.processes().values())
    _up()
    assert all(native.processes().values())
    assert not set(native.processes().values()) & set(processes.values())
    commands.images(cluster, images())
    DEFAULT.install(values(cluster))
    namespace = Namespace.create("recovery-again", bootstrap, DEFAULT)
    trigger = namespace.trigger().wait_ready()
    trigger.produce(range(10))
    assert len(trigger.answered(10)) == 10
    namespace.delete()


def test_up_again_is_quick_and_changes_nothing(cluster: Provider) -> None:
    _up()
    before = native.processes()
    started = time.monotonic()
    _up()
    assert time.monotonic() - started < QUICK
    assert native.processes() == before


def _up() -> None:
    """What `make cluster-up` does."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster", "all"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
