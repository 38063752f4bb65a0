"""Consumers that restart, signals, and a supervisor that is killed."""

import os
import signal
import time

import pytest

from tests.integration.runtime.client import PATIENCE, Runtime, batch_of
from tests.support.waiting import until

FINE = {"return": "fine"}


def test_a_new_consumer_replaces_the_one_before(runtime: Runtime) -> None:
    first, _ = runtime.start_session("obedient")
    second, data = runtime.start_session("obedient")
    assert first.is_closed()
    assert second.session != first.session
    assert data.run(FINE) == [b'"fine"']


def test_a_worker_that_is_idle_is_kept_for_the_same_work(runtime: Runtime) -> None:
    control, data = runtime.start_session("obedient")
    pids = runtime.worker_pids()
    data.close()
    time.sleep(1)  # the worker tells the supervisor, and nobody else, that it is idle
    control.close()
    until(lambda: "the consumer closed" in runtime.log.read_text(), what="the end of the session")
    _, data = runtime.start_session("obedient")
    data.run(FINE)
    assert len(pids) == 1
    assert runtime.worker_pids() == pids


def test_a_worker_that_is_busy_for_the_old_consumer_is_replaced(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    data.send(batch_of("wait"))
    until(runtime.modules.joinpath("running").exists, what="the function to run")
    _, data = runtime.start_session("obedient")
    assert data.run(FINE) == [b'"fine"']


def test_other_work_gets_other_workers(runtime: Runtime) -> None:
    runtime.start_session("obedient")
    pids = runtime.worker_pids()
    _, data = runtime.start_session("good")
    assert b'"value":' in data.run(1)[0]  # type: ignore[operator]
    assert not pids & runtime.worker_pids()


def test_without_a_consumer_a_signal_ends_the_runtime(runtime: Runtime) -> None:
    runtime.process.send_signal(signal.SIGTERM)
    assert runtime.process.wait(PATIENCE) == 0
    assert not runtime.path.exists()


def test_with_a_consumer_a_signal_waits_for_it(runtime: Runtime) -> None:
    control, data = runtime.start_session("obedient")
    runtime.process.send_signal(signal.SIGTERM)
    until(lambda: "told to end" in runtime.log.read_text(), what="the signal to be seen")
    assert data.run(FINE) == [b'"fine"']
    data.close()
    control.close()
    assert runtime.process.wait(PATIENCE) == 0


def test_a_second_signal_ends_the_runtime_at_once(runtime: Runtime) -> None:
    runtime.start_session("obedient")
    pids = runtime.worker_pids()
    runtime.process.send_signal(signal.SIGTERM)
    until(lambda: "told to end" in runtime.log.read_text(), what="the signal to be seen")
    runtime.process.send_signal(signal.SIGINT)
    assert runtime.process.wait(PATIENCE) == 0
    assert not any(_exists(pid) for pid in pids)


@pytest.mark.parametrize("function", ["obedient", "asynchronous"])
def test_a_worker_does_not_mind_signals(runtime: Runtime, function: str) -> None:
    _, data = runtime.start_session(function)
    (pid,) = runtime.worker_pids()
    run = data.run if function == "obedient" else data.run_side_by_side
    assert run("pid") == [b"%d" % pid]
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(pid, number)
    assert run("pid", batch=2) == [b"%d" % pid]


def test_workers_die_with_the_supervisor(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    data.send(batch_of("spin"))
    (pid,) = runtime.worker_pids()
    runtime.process.kill()
    until(lambda: not _exists(pid), what="the end of the worker")


def test_a_worker_that_is_woken_does_not_take_the_processor_from_the_consumer(runtime: Runtime) -> None:
    runtime.start_session("obedient")
    (pid,) = runtime.worker_pids()
    assert os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_BATCH


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
