"""The control socket: who asks is answered by the engine's thread, and who misbehaves reaches nobody."""

import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kafkatrigger.api.control import (
    ANSWER_LIMIT,
    REQUEST_LIMIT,
    Answer,
    BlockedKey,
    BlockedRef,
    ListBlocked,
    Request,
    ResolveBlocked,
    Resume,
)
from kafkatrigger.consumer.control import THREADS, Control, ask
from tests.support.waiting import until


class Engine:
    """A loop as the engine's, with a handle that can be held up or fail."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.seen: list[Request] = []
        self.threads: set[str] = set()
        self.turns = 0
        self.answer: Answer | Exception = Answer(count=1)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine")

    def _run(self) -> None:
        while not self._end.wait(0.002):
            self.control.poll(self.handle)
            self.turns += 1

    def handle(self, request: Request) -> Answer:
        self.seen.append(request)
        self.threads.add(threading.current_thread().name)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def start(self) -> "Engine":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._end.set()
        if self._thread.ident:
            self._thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def idle(path: Path) -> Iterator[Engine]:
    """A server whose engine does not turn."""
    control = Control(path, client_seconds=1, engine_seconds=1)
    engine = Engine(control)
    yield engine
    engine.stop()
    control.close()


@pytest.fixture
def engine(idle: Engine) -> Engine:
    return idle.start()


def asked(path: Path, request: Request) -> Answer:
    return msgspec.json.decode(ask(path, msgspec.json.encode(request)), type=Answer)


def sent(path: Path, content: bytes, *, end: bool = True) -> bytes:
    """What comes back for these bytes; nothing where the server hangs up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        try:
            connection.sendall(content)
            if end:
                connection.shutdown(socket.SHUT_WR)
            return connection.makefile("rb").read()
        except ConnectionError:
            return b""


def test_the_engine_s_thread_executes_requests(path: Path, engine: Engine) -> None:
    requests: list[Request] = [ListBlocked(), ResolveBlocked("retry", [BlockedRef("t", 1, 2)]), Resume()]
    assert [asked(path, each).count for each in requests] == [1, 1, 1]
    assert engine.seen == requests
    assert engine.threads == {"engine"}


def test_only_the_owner_may_connect(path: Path, engine: Engine) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keys_travel_as_they_are(path: Path, engine: Engine) -> None:
    key = BlockedKey("t", 0, 1, b"\xff\x00\n", 5, "FunctionFailed", "ValueError", "a\nb", 1, 2, 3)
    engine.answer = Answer(blocked=[key, msgspec.structs.replace(key, key=None)])
    assert asked(path, ListBlocked()) == engine.answer


def test_a_request_that_fails_ends_nothing(path: Path, engine: Engine) -> None:
    engine.answer = KeyError("k")
    assert "KeyError" in asked(path, ListBlocked()).error
    engine.answer = Answer(count=7)
    assert asked(path, ListBlocked()).count == 7


def test_what_the_engine_did_not_take_up_is_not_done_later(path: Path, idle: Engine) -> None:
    assert "nothing was done" in asked(path, Resume()).error
    idle.start()
    until(lambda: idle.turns > 3)
    assert asked(path, ListBlocked()).count == 1
    assert idle.seen == [ListBlocked()]


def test_an_engine_that_works_for_long_is_told_apart(path: Path, idle: Engine) -> None:
    answers: list[Answer] = []
    asker = threading.Thread(target=lambda: answers.append(asked(path, Resume())))
    asker.start()

    def slow(_: Request) -> Answer:
        asker.join()  # longer than the asker is willing to wait
        return Answer()

    until(lambda: idle.control._waiting)
    idle.control.poll(slow)
    assert "has not finished" in answers[0].error


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"null\n",
        b"{}\n",
        b'{"command": "stop"}\n',
        b"\xff\xfe\n",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"GET /",
    ],
    ids=["empty", "line", "null", "nothing", "unknown", "no-text", "deep", "deep-objects", "http"],
)
def test_what_is_no_request_is_told_so(path: Path, engine: Engine, content: bytes) -> None:
    answer = msgspec.json.decode(sent(path, content), type=Answer)
    assert "no request" in answer.error
    assert engine.seen == []
    assert asked(path, ListBlocked()).count == 1


def test_a_request_without_end_is_cut_off(path: Path, engine: Engine) -> None:
    assert sent(path, b"x" * (REQUEST_LIMIT + 1_000_000), end=False) == b""
    assert asked(path, ListBlocked()).count == 1


def test_silent_and_deaf_clients_are_cut_off(path: Path, engine: Engine) -> None:
    """More of them than there are threads; they hold up others for a moment, and the engine never."""
    key = BlockedKey("t", 0, 1, b"x" * 1_000_000, 5, "", "", "", 1, 2, 3)
    engine.answer = Answer(blocked=[key] * 10)  # more than a socket's buffer takes
    clients = []
    for number in range(THREADS + 2):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(str(path))
        client.sendall(b'{"comm' if number % 2 else b'{"command": "blocked.list"}\n')
        clients.append(client)
    before = engine.turns
    assert len(asked(path, ListBlocked()).blocked) == 10
    assert engine.turns > before + 100
    for client in clients:
        client.close()


def test_an_answer_too_long_says_what_it_leaves_out(path: Path, engine: Engine) -> None:
    key = BlockedKey("t", 0, 1, b"x" * 1_000_000, 5, "", "", "", 1, 2, 3)
    engine.answer = Answer(blocked=[key] * 20)
    line = ask(path, msgspec.json.encode(ListBlocked()))
    answer = msgspec.json.decode(line, type=Answer)
    assert len(line) <= ANSWER_LIMIT + 1
    assert answer.blocked
    assert len(answer.blocked) + answer.omitted == 20


def test_a_socket_that_was_left_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    control = Control(path)
    engine = Engine(control).start()
    assert asked(path, ListBlocked()).count == 1
    engine.stop()
    control.close()
    assert not path.exists()
    until(lambda: not any(each.name.startswith("control-") for each in threading.enumerate()))


def test_the_program_carries_request_and_answer(path: Path, engine: Engine) -> None:
    command = [sys.executable, "-m", "kafkatrigger.consumer.control", "--socket", str(path)]
    request = msgspec.json.encode(Resume())
    output = subprocess.run(command, input=request, capture_output=True, timeout=60, check=True).stdout
    assert msgspec.json.decode(output, type=Answer) == Answer(count=1)


def test_where_nobody_listens_the_answer_says_so(path: Path) -> None:
    assert "does it run?" in asked(path, ListBlocked()).error
