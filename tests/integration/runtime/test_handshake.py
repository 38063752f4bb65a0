"""Saying hello, attaching, and what is refused."""

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kafkatrigger.api import frames
from kafkatrigger.api.frames import LENGTH, Attach, Hello, Refused, WorkerState
from tests.integration.runtime.client import Runtime, work
from tests.support.waiting import until


def test_hello_is_answered_before_the_workers_are_ready(start_runtime: Callable[..., Runtime]) -> None:
    control = start_runtime(workers=2).control()
    welcome = control.hello(work("good"))
    assert (welcome.version, welcome.workers) == (frames.PROTOCOL_VERSIONS[0], 2)
    assert {control.expect(WorkerState).state for _ in range(2)} == {"loading"}
    assert {control.await_state(worker, "ready").worker for worker in range(2)} == {0, 1}


def test_the_newest_common_version_is_spoken(runtime: Runtime) -> None:
    control = runtime.control()
    control.send(Hello([3, 2, 1], "tests/trigger", work("good")))
    assert control.receive().version == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("versions", "reason"), [([9, 8], "RuntimeTooOld"), ([0], "RuntimeTooNew"), ([], "RuntimeTooNew")]
)
def test_without_a_common_version_the_consumer_is_refused(runtime: Runtime, versions: list[int], reason: str) -> None:
    control = runtime.control()
    control.send(Hello(versions, "tests/trigger", work("good")))
    refused = control.expect(Refused)
    assert refused.reason == reason
    assert "the runtime speaks protocol 2, 1, the consumer" in refused.message
    assert control.is_closed()


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", LENGTH.pack(3) + b"\xc1\xc1\xc1", LENGTH.pack(2) + b"\x91\xa3"]
)
def test_junk_is_refused_and_harms_nobody(runtime: Runtime, data: bytes) -> None:
    stranger = runtime.control()
    stranger.socket.sendall(data)
    assert stranger.expect(Refused).reason == "InvalidFrame"
    assert runtime.start_session()[1].run(1)


def test_attaching_in_vain(runtime: Runtime) -> None:
    control, _ = runtime.start_session()
    assert runtime.data("unknown").expect(Refused).reason == "UnknownSession"
    assert runtime.data(control.session, 1).expect(Refused).reason == "UnknownWorker"
    assert runtime.data(control.session, -1).expect(Refused).reason == "UnknownWorker"


def test_a_worker_that_is_not_ready_refuses(runtime: Runtime) -> None:
    control = runtime.control()
    control.hello(work("functions:missing"))
    control.await_state(0, "failed")
    connection = runtime.control()
    connection.send(Attach(control.session, 0))
    assert connection.expect(Refused).reason == "WorkerNotReady"


def test_a_worker_serves_one_connection_after_another(runtime: Runtime) -> None:
    control, first = runtime.start_session("obedient")
    pid = first.run("pid")
    first.close()
    assert runtime.data(control.session).run("pid") == pid


def test_frames_that_follow_attach_at_once_are_for_the_worker(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    assert data.run({"return": 1}, {"return": 2}) == [b"1", b"2"]


def test_the_socket_is_for_user_and_group(runtime: Runtime) -> None:
    assert stat.S_IMODE(runtime.path.stat().st_mode) == 0o660


def test_a_stale_socket_is_replaced(start_runtime: Callable[..., Runtime]) -> None:
    start_runtime().process.kill()
    replacement = start_runtime()
    until(lambda: _answers(replacement), what="the second runtime")
    assert [path.name for path in Path(replacement.modules).glob("*.sock*")] == ["runtime.sock"]


def _answers(runtime: Runtime) -> bool:
    try:
        return runtime.start_session()[1].run(1) != []
    except OSError:
        return False


def test_a_path_that_cannot_be_listened_on_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "runtime.sock"
    command = [sys.executable, "-m", "kafkatrigger.runtime", "--socket", str(path), "--workers", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"cannot listen on {path}: ")
