"""One bad message costs itself, and nothing else: crashes, exits, hanging, of plain, async and batch functions."""

from pathlib import Path
from typing import Any

import pytest

from kafkatrigger.api import pod_status
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, committed_up_to, numbers, spec, wait_committed
from tests.support import runs
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until


def _innocent(count: int, log: Path, do: str = "echo", **more: Any) -> list[tuple[bytes, bytes]]:
    return [(b"k%d" % n, action(do, n=n, log=str(log), **more)) for n in range(count)]


def _assert_only_the_guilty_counted(log: Path, guilty: set[int]) -> None:
    for number, attempts in runs.attempts(runs.read(log)).items():
        assert number in guilty or set(attempts) == {1}, f"{number} was run as attempts {attempts}"


@pytest.mark.parametrize("do", ["segfault", "exit"])
@pytest.mark.parametrize("function", ["tell", "tell_async", "tell_batch"])
def test_a_crash_costs_only_its_message(
    broker: HostBroker, topics: Topics, tmp_path: Path, do: str, function: str
) -> None:
    """One in the middle of fifty, whose neighbours are under way at the same moment."""
    log = tmp_path / "log"
    source = topics.create(1)
    innocent = _innocent(50, log, *(["wait"] if function == "tell_async" else []), seconds=0.2)
    guilty = (b"bad", action(do, n=-1, log=str(log)))
    topics.produce(source, [*innocent[:25], guilty, *innocent[25:], *((b"bad", action("echo", n=n)) for n in (60, 61))])
    with Pod(spec(broker, source, f"functions:{function}")) as pod:
        wait_committed(topics, pod, source, 90)
        pod.wait_outcomes(succeeded=52, dead_lettered=1)
        pod.stop()
    (letter,) = topics.read_all(f"{source}.dlq")
    headers = dict(letter.headers())
    assert (letter.key(), headers["kafkatrigger.error.reason"]) == (b"bad", b"WorkerCrashed")
    assert headers["kafkatrigger.attempts"] == b"3"
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == [*range(50), 60, 61]
    _assert_only_the_guilty_counted(log, {-1})


def test_a_timeout_cancels_one_coroutine_and_the_others_go_on(
    broker: HostBroker, topics: Topics, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    source = topics.create(1)
    long = (b"long", action("wait", n=-1, seconds=60, log=str(log)))
    topics.produce(source, [long, *_innocent(50, log, "wait", seconds=0.5), (b"long", action("echo", n=100))])
    with Pod(spec(broker, source, "functions:tell_async", delivery={"timeout": "2s"}, runtime={"workers": 1})) as pod:
        wait_committed(topics, pod, source, 60)
        status = pod.status_now()
        pod.stop()
    assert status.worker_restarts == {}
    (letter,) = topics.read_all(f"{source}.dlq")
    assert dict(letter.headers())["kafkatrigger.error.reason"] == b"Timeout"
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == [*range(50), 100]
    _assert_only_the_guilty_counted(log, {-1})


@pytest.mark.parametrize(
    ("function", "do"), [("tell", "hang"), ("tell", "spin"), ("tell_async", "stubborn"), ("tell_async", "hang")]
)
def test_what_does_not_let_itself_be_cancelled_ends_with_its_worker(
    broker: HostBroker, topics: Topics, tmp_path: Path, function: str, do: str
) -> None:
    """A loop that never ends, and a coroutine that blocks the event loop or refuses to be cancelled."""
    log = tmp_path / "log"
    source = topics.create(1)
    topics.produce(
        source, [(b"bad", action(do, n=-1, log=str(log))), *_innocent(30, log), (b"bad", action("echo", n=50))]
    )
    quick = {"timeout": "1s", "retry": {"attempts": 2, "initialDelay": "10ms"}}
    with Pod(spec(broker, source, f"functions:{function}", delivery=quick)) as pod:
        wait_committed(topics, pod, source, 90)
        assert pod.status_now().worker_restarts == {"Timeout": 2}
        pod.stop()
    (letter,) = topics.read_all(f"{source}.dlq")
    assert dict(letter.headers())["kafkatrigger.error.reason"] == b"Timeout"
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == [*range(30), 50]
    _assert_only_the_guilty_counted(log, {-1})


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
@pytest.mark.parametrize("function", ["tell", "tell_batch"])
def test_a_message_that_takes_all_memory_ends_in_the_dead_letters(
    broker: HostBroker, topics: Topics, tmp_path: Path, function: str, guarantee: str
) -> None:
    log = tmp_path / "log"
    source = topics.create(1)
    innocent = _innocent(60, log)
    guilty = (b"bad", action("hog", n=-1, log=str(log)))
    topics.produce(source, [*innocent[:30], guilty, *innocent[30:], (b"bad", action("echo", n=100))])
    delivery = {"guarantee": guarantee, "retry": {"attempts": 2, "initialDelay": "10ms"}}
    trigger = spec(broker, source, f"functions:{function}", delivery=delivery, runtime={"workers": 2})
    with Pod(trigger, memory_limit=300 << 20) as pod:
        wait_committed(topics, pod, source, 90)
        pod.wait_outcomes(succeeded=61, dead_lettered=1)
        assert pod.status_now().worker_restarts.get("OutOfMemory", 0) >= 2
        pod.stop()
    (letter,) = topics.read_all(f"{source}.dlq")
    headers = dict(letter.headers())
    assert (letter.key(), headers["kafkatrigger.error.reason"]) == (b"bad", b"OutOfMemory")
    assert headers["kafkatrigger.attempts"] == b"2"
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == [*range(60), 100]
    _assert_only_the_guilty_counted(log, {-1})


DYING = """import os, threading

threading.Timer(0.2, os._exit, [3]).start()


def handle(message):
    return message.value
"""


def test_workers_that_die_before_any_message_are_a_broken_runtime(
    broker: HostBroker, topics: Topics, tmp_path: Path
) -> None:
    (tmp_path / "dying.py").write_text(DYING)
    source = topics.create(1)
    with Pod(spec(broker, source, "dying:handle", runtime={"workers": 1}), functions=tmp_path) as pod:
        status = pod.wait_reason(pod_status.RUNTIME_BROKEN, 60)
        assert not status.ready
        assert "before they started any message" in status.message
        assert "container runtime" in status.message
        pod.stop()


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_a_message_that_ends_the_whole_runtime_ends_in_the_dead_letters(
    broker: HostBroker, topics: Topics, tmp_path: Path, guarantee: str
) -> None:
    """As where the kernel ends the container for lack of memory: nobody is left to say which message it was."""
    log = tmp_path / "log"
    source = topics.create(2)
    killer = (b"bad", action("kill-runtime", n=-1, log=str(log)))
    innocent = _innocent(60, log)
    topics.produce(source, [*innocent[:30], killer, *innocent[30:], (b"bad", action("echo", n=100))])
    delivery = {"guarantee": guarantee, "retry": {"attempts": 2, "initialDelay": "10ms"}}
    with Pod(spec(broker, source, delivery=delivery, runtime={"workers": 2})) as pod:

        def is_done() -> bool:
            if pod.runtime.poll() is not None:
                pod.start_runtime()  # as the kubelet does
            return committed_up_to(topics, pod, source)()

        until(is_done, 120, "commits to the end")
        pod.wait_outcomes(succeeded=61, dead_lettered=1)
        pod.stop()
    (letter,) = topics.read_all(f"{source}.dlq")
    assert letter.key() == b"bad"
    assert dict(letter.headers())["kafkatrigger.error.reason"] == b"WorkerCrashed"
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == [*range(60), 100]
    _assert_only_the_guilty_counted(log, {-1})


def test_a_batch_that_fails_costs_only_the_elements_that_failed(
    broker: HostBroker, topics: Topics, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    source = topics.create(1)
    messages = _innocent(200, log)
    bad = [
        (b"raises", action("raise", n=-1)),
        (b"fails", action("failure", n=-2)),
        (b"later", action("fail-until", n=300, attempt=2)),
    ]
    topics.produce(source, [*messages[:100], *bad, *messages[100:]])
    with Pod(spec(broker, source, "functions:tell_batch")) as pod:
        wait_committed(topics, pod, source, 60)
        pod.wait_outcomes(succeeded=201, dead_lettered=2)
        pod.stop()
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == [*range(200), 300]
    assert sorted(numbers(topics.read_all(f"{source}.dlq"))) == [-2, -1]
    _assert_only_the_guilty_counted(log, {-1, -2, 300})
