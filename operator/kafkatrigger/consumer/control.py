"""The control socket: people's requests to a running consumer, and the program that carries one there.

A few threads read requests and write answers; the engine alone executes them, when it polls. So a client that is slow,
silent or hostile costs one of these threads for some seconds, and the engine nothing.

`python -m kafkatrigger.consumer.control` is the other end: a request on standard input, the answer on standard output.
"""

import argparse
import contextlib
import logging
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import msgspec

from kafkatrigger.api import logs
from kafkatrigger.api.consumer_config import CONTROL_SOCKET
from kafkatrigger.api.control import ANSWER_LIMIT, ENGINE_SECONDS, REQUEST_LIMIT, Answer, Request

log = logging.getLogger(__name__)

THREADS = 4
"""Requests that are looked after at the same time; others wait for their turn."""
CLIENT_SECONDS = 5.0
"""How long a client may take to send its request, and again to take its answer."""
CONNECTION_SECONDS = 30.0
"""How long the other end waits in all: for its turn, the engine, the answer."""

_CHUNK = 64 * 1024
_NOT_TAKEN_UP = (
    "the consumer's engine did not take up the request within {:.0f} s, so nothing was done: "
    "look at the pod's /status and logs, and try again"
)
_UNFINISHED = "the consumer's engine took up the request and has not finished: look at the result with a list"

Handle = Callable[[Request], Answer]


class Control:
    """The server. `poll` belongs to the engine's thread; everything else happens in threads of its own."""

    def __init__(
        self, path: Path, client_seconds: float = CLIENT_SECONDS, engine_seconds: float = ENGINE_SECONDS
    ) -> None:
        """Listens from now on. OSError where the path cannot be used."""
        self._path, self._client_seconds, self._engine_seconds = path, client_seconds, engine_seconds
        self._waiting: deque[tuple[Request, Future[Answer]]] = deque()
        self._closed = False
        self._listener = _listen(path)
        for number in range(THREADS):
            threading.Thread(target=self._serve, name=f"control-{number}", daemon=True).start()

    def poll(self, handle: Handle) -> None:
        """Executes what was asked for meanwhile. Never raises: a request that fails is the asker's to know."""
        while self._waiting:
            request, answer = self._waiting.popleft()
            if answer.set_running_or_notify_cancel():
                answer.set_result(_executed(handle, request))

    def close(self) -> None:
        """Takes no more requests; those that wait are not answered."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the threads up, which closing alone does not
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._closed:
                    return
                log.warning("a request to the control socket could not be accepted: %s", error)
                time.sleep(1)  # such as too many open files: others need time to close some
                continue
            with connection, contextlib.suppress(OSError):  # a client that is gone needs no answer
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        answer = self._executed(_read_line(connection, REQUEST_LIMIT, self._client_seconds))
        connection.settimeout(self._client_seconds)
        connection.sendall(_encoded(answer) + b"\n")

    def _executed(self, line: bytes) -> Answer:
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Answer(error=f"this is no request ({error}): do the command and the consumer have the same version?")
        answer: Future[Answer] = Future()
        self._waiting.append((request, answer))
        try:
            return answer.result(self._engine_seconds)
        except TimeoutError:
            return Answer(error=_NOT_TAKEN_UP.format(self._engine_seconds) if answer.cancel() else _UNFINISHED)


def _executed(handle: Handle, request: Request) -> Answer:
    try:
        return handle(request)
    except Exception as error:  # whatever it is, messages go on to flow
        log.exception("the request %s failed", type(request).__name__)
        return Answer(error=f"the request failed in the consumer ({type(error).__name__}): its log says where")


def _listen(path: Path) -> socket.socket:
    """A socket that the consumer's user alone can connect to; one that a former process left is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)  # before it has a name: there is no moment at which others could connect
        listener.bind(str(path))
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener


def _read_line(connection: socket.socket, limit: int, seconds: float) -> bytes:
    """Until the end of the line or of the stream; OSError where that takes too long, or too many bytes."""
    deadline = time.monotonic() + seconds
    received = bytearray()
    while not received.endswith(b"\n"):
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        chunk = connection.recv(_CHUNK)
        if not chunk:
            break
        received += chunk
        if len(received) > limit or time.monotonic() > deadline:
            raise OSError("too long")
    return bytes(received)


def _encoded(answer: Answer) -> bytes:
    """With as many of the blocked keys as fit."""
    line, count = msgspec.json.encode(answer), len(answer.blocked)
    while len(line) > ANSWER_LIMIT and count:
        count //= 2
        omitted = len(answer.blocked) - count
        line = msgspec.json.encode(msgspec.structs.replace(answer, blocked=answer.blocked[:count], omitted=omitted))
    return line


def ask(path: Path, request: bytes) -> bytes:
    """Carries one line there and one back. The answer is one in any case: it says so where no consumer listens."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(CONNECTION_SECONDS)
            connection.connect(str(path))
            connection.sendall(request.strip() + b"\n")
            line = _read_line(connection, ANSWER_LIMIT + 1, CONNECTION_SECONDS)
    except OSError as error:
        line = b""
        reason = error.strerror or str(error)
    else:
        reason = "it closed the connection"
    return line or msgspec.json.encode(Answer(error=f"no consumer answers at {path} ({reason}): does it run?"))


def main() -> None:
    """One request from standard input, its answer to standard output."""
    parser = argparse.ArgumentParser(prog="kafkatrigger.consumer.control", description=main.__doc__)
    parser.add_argument(
        "--socket", type=Path, default=Path(CONTROL_SOCKET), help="the consumer's control socket (default: %(default)s)"
    )
    path: Path = parser.parse_args().socket
    logs.configure()
    sys.stdout.buffer.write(ask(path, sys.stdin.buffer.readline(REQUEST_LIMIT)))


if __name__ == "__main__":
    main()
