"""A message that kills, hangs or eats memory takes nothing with it, and is named."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from kafkatrigger.api.frames import Results
from tests.integration.runtime.client import Control, Data, Runtime, batch_of
from tests.support.waiting import until

FINE = {"return": "fine"}


def serves_again(runtime: Runtime, control: Control) -> bool:
    control.await_state(0, "ready")
    return runtime.data(control.session).run(FINE) == [b'"fine"']


def send_culprit(data: Data, culprit: object) -> None:
    """A batch with the culprit at index 2."""
    data.send(batch_of(FINE, FINE, culprit, FINE, batch=11))


@pytest.mark.parametrize(
    ("culprit", "what"), [("exit", "ended with exit code 3"), ("segfault", "was killed by SIGSEGV")]
)
def test_a_crash_names_its_message(runtime: Runtime, culprit: str, what: str) -> None:
    control, data = runtime.start_session("obedient")
    send_culprit(data, culprit)
    exited = control.await_exit()
    assert (exited.reason, exited.suspects) == ("WorkerCrashed", [(11, 2)])
    assert exited.message == f"the worker {what}"
    assert serves_again(runtime, control)


@pytest.mark.parametrize("culprit", ["spin", {"sleep": 1000}])
def test_a_message_that_never_ends_is_ended(runtime: Runtime, culprit: object) -> None:
    control, data = runtime.start_session("obedient", timeout=0.5)
    send_culprit(data, culprit)
    assert data.expect(Results).first == 0
    exited = control.await_exit()
    assert (exited.reason, exited.suspects) == ("Timeout", [(11, 2)])
    assert "longer than the 0.5 s" in exited.message
    assert serves_again(runtime, control)


def test_the_timeout_is_for_each_message_not_for_the_batch(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient", timeout=0.5)
    assert len(data.run(*[{"sleep": 0.2}] * 5)) == 5


def test_waiting_for_the_consumer_does_not_count_as_running(runtime: Runtime) -> None:
    control, data = runtime.start_session("obedient", timeout=0.3)
    for batch in range(4):
        data.send(batch_of(*["large"] * 10, batch=batch))
    time.sleep(1)  # nobody reads the results for longer than the timeout
    for batch in range(4):
        assert len(data.outcomes(10, batch)) == 10
    assert control.states[0].state == "ready"


def test_a_worker_that_takes_too_much_memory_is_ended(start_runtime: Callable[..., Runtime]) -> None:
    runtime = start_runtime(memory_limit=200 << 20)
    control, data = runtime.start_session("obedient")
    send_culprit(data, "hog")
    exited = control.await_exit()
    assert (exited.reason, exited.suspects) == ("OutOfMemory", [(11, 2)])
    assert "of the 200 MiB that they may" in exited.message
    assert serves_again(runtime, control)


def test_what_a_worker_started_ends_with_it(runtime: Runtime) -> None:
    control, data = runtime.start_session("obedient")
    (child,) = data.run("child")
    assert isinstance(child, bytes)
    data.send(batch_of("exit", batch=2))
    control.await_exit()
    until(lambda: not _runs(int(child)), what="the end of the child")


def test_a_worker_that_dies_idle_suspects_nobody(runtime: Runtime) -> None:
    control, data = runtime.start_session("obedient")
    data.run(FINE)
    (pid,) = runtime.worker_pids()
    os.kill(pid, 9)
    exited = control.await_exit()
    assert (exited.reason, exited.suspects) == ("WorkerCrashed", [])
    assert serves_again(runtime, control)


def test_one_worker_dies_and_the_others_go_on(start_runtime: Callable[..., Runtime]) -> None:
    runtime = start_runtime(workers=2)
    control, first = runtime.start_session("obedient")
    control.await_state(1, "ready")
    second = runtime.data(control.session, 1)
    pid = second.run("pid")
    first.send(batch_of("exit"))
    control.await_exit()
    assert second.run("pid") == pid


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_supervisor_buries_what_it_inherits() -> None:
    """The first process of a container is handed the children of those that died, and zombies count as processes."""
    script = """
import os, time
from kafkatrigger.runtime.process import reap_orphans
os.posix_spawn("/bin/true", ["true"], {})
deadline = time.monotonic() + 30
while time.monotonic() < deadline:
    reap_orphans()
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        print("none left")
        break
"""
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"none left\n"
