"""Connections to the runtime: one for control, one for each worker, all of them non-blocking.

Nothing here knows what a batch means. `wait` returns events; what is sent is buffered until the socket takes it.
"""

import logging
import selectors
import socket
import time
from collections.abc import Iterator

import msgspec

from kafkatrigger.api import frames
from kafkatrigger.api.frames import (
    PROTOCOL_VERSIONS,
    Attach,
    Batch,
    FrameBuffer,
    FromRuntime,
    Hello,
    Refused,
    Results,
    Welcome,
    Work,
    WorkerExited,
    WorkerState,
)

log = logging.getLogger(__name__)

RECONNECT_INTERVAL = 0.25
SOCKET_BUFFER = 4 * 1024 * 1024
RECEIVE = 1024 * 1024
EXIT_NOTICE_TIMEOUT = 5.0
"""Seconds between the end of a worker's connection and the supervisor's word on why."""


class WorkerAttached(msgspec.Struct):
    """A worker takes batches now."""

    worker: int


class WorkerGone(msgspec.Struct):
    """A worker's connection ended, all that it had answered was reported before. `exited` is None where nobody knows why."""

    worker: int
    exited: WorkerExited | None


class WorkerAnswered(msgspec.Struct):
    """A worker answered."""

    worker: int
    results: Results


Event = WorkerAttached | WorkerGone | WorkerAnswered


class _Connection:
    """One socket with what waits to be sent."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.socket.setblocking(False)
        self._incoming = FrameBuffer()
        self._outgoing = bytearray()

    def send(self, data: bytes) -> None:
        """Sends now what the socket takes, the rest in `flush`."""
        self._outgoing += data
        self.flush()

    def flush(self) -> None:
        """Sends what waits. A broken connection is noticed by `receive`."""
        try:
            while self._outgoing:
                del self._outgoing[: self.socket.send(self._outgoing)]
        except BlockingIOError:
            return
        except OSError:
            self._outgoing.clear()

    @property
    def is_sending(self) -> bool:
        return bool(self._outgoing)

    def receive(self) -> tuple[list[bytes], bool]:
        """The frames that have arrived, and whether the connection goes on."""
        try:
            data = self.socket.recv(RECEIVE)
        except BlockingIOError:
            return [], True
        except OSError:
            return [], False
        return (self._incoming.feed(data), True) if data else ([], False)


class _Worker:
    """What is known of one worker."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.connection: _Connection | None = None
        self.exited: WorkerExited | None = None
        self.ended_at: float | None = None


class RuntimeLink:
    """The runtime as the dispatcher sees it. `problem` says why it is not of use yet."""

    def __init__(self, path: str, name: str, work: Work) -> None:
        self._path = path
        self._hello = Hello(list(PROTOCOL_VERSIONS), name, work)
        self._selector = selectors.DefaultSelector()
        self._control: _Connection | None = None
        self._session = ""
        self._retry_at = 0.0
        self._workers: list[_Worker] = []
        self.loaded = False
        """A worker has loaded the transformation."""
        self.problem: tuple[str, str] | None = ("RuntimeNotConnected", "the runtime has not been reached yet")
        self.restarts: dict[str, int] = {}

    def wait(self, timeout: float) -> list[Event]:
        """What happened within `timeout` seconds; returns as soon as something did."""
        self._connect()
        events: list[Event] = []
        for key, mask in self._selector.select(timeout):
            events += self._serve(key.data, mask)
        events += self._overdue()
        return events

    def send(self, worker: int, batch: Batch) -> None:
        """Sends a batch to an attached worker."""
        connection = self._workers[worker].connection
        if connection is not None:
            connection.send(frames.encode(batch))
            self._watch(connection, worker)

    def detach(self, worker: int) -> None:
        """Ends the connection to a worker that does not keep to the protocol; its end is reported like any other."""
        connection = self._workers[worker].connection
        if connection is not None:
            connection.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes everything: the workers drop what they have."""
        for _ in self._disconnect():
            pass
        self._selector.close()

    def _connect(self) -> None:
        if self._control is not None or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RECONNECT_INTERVAL
        try:
            self._control = _Connection(self._path)
        except OSError as error:
            self.problem = (
                "RuntimeNotConnected",
                f"the runtime does not accept connections ({error.strerror}): see the log of the container runtime",
            )
            return
        self._control.send(frames.encode(self._hello))
        self._watch(self._control, -1)

    def _watch(self, connection: _Connection, data: int) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.is_sending else 0)
        known = self._selector.get_map().get(connection.socket)
        if known is None:
            self._selector.register(connection.socket, events, data)
        elif known.events != events:
            self._selector.modify(connection.socket, events, data)

    def _serve(self, number: int, mask: int) -> Iterator[Event]:
        connection = self._control if number < 0 else self._workers[number].connection
        if connection is None:
            return
        if mask & selectors.EVENT_WRITE:
            connection.flush()
            self._watch(connection, number)
        if not mask & selectors.EVENT_READ:
            return
        payloads, alive = connection.receive()
        for payload in payloads:
            yield from self._understand(number, frames.from_runtime.decode(payload))
        if not alive:
            yield from self._disconnect() if number < 0 else self._ended(self._workers[number])

    def _understand(self, number: int, frame: FromRuntime) -> Iterator[Event]:
        if isinstance(frame, Results):
            yield WorkerAnswered(number, frame)
        elif isinstance(frame, Welcome):
            self._session = frame.session
            self._workers = [_Worker(index) for index in range(frame.workers)]
            self.problem = ("TransformationNotLoaded", "the runtime is loading the transformation")
        elif isinstance(frame, WorkerState):
            yield from self._state_of(frame)
        elif isinstance(frame, WorkerExited):
            worker = self._workers[frame.worker]
            self.restarts[frame.reason] = self.restarts.get(frame.reason, 0) + 1
            worker.exited = frame
            yield from self._gone(worker)
        elif isinstance(frame, Refused):
            self.problem = (frame.reason, frame.message)
            log.warning("the runtime refused: %s", frame.message)

    def _state_of(self, state: WorkerState) -> Iterator[Event]:
        worker = self._workers[state.worker]
        if state.state == "ready":
            yield from self._attach(worker)
        elif state.state == "failed" and not self.loaded:
            self.problem = ("TransformationNotLoaded", state.message)
            log.error("%s", state.message)

    def _attach(self, worker: _Worker) -> Iterator[Event]:
        try:
            connection = _Connection(self._path)
        except OSError as error:
            log.warning("worker %d cannot be attached to: %s", worker.number, error)
            return
        worker.connection, worker.exited, worker.ended_at = connection, None, None
        connection.send(frames.encode(Attach(self._session, worker.number)))
        self._watch(connection, worker.number)
        self.loaded, self.problem = True, None
        yield WorkerAttached(worker.number)

    def _ended(self, worker: _Worker) -> Iterator[Event]:
        """Its socket was read to the end, so every answer it gave is known."""
        self._drop(worker.connection)
        worker.connection = None
        worker.ended_at = time.monotonic()
        yield from self._gone(worker)

    def _gone(self, worker: _Worker) -> Iterator[Event]:
        """Both facts are needed, in whichever order they come: the end of the answers, and the reason."""
        if worker.ended_at is not None and worker.exited is not None:
            exited, worker.exited, worker.ended_at = worker.exited, None, None
            yield WorkerGone(worker.number, exited)

    def _overdue(self) -> Iterator[Event]:
        """Connections that ended without a word from the supervisor."""
        for worker in self._workers:
            if worker.ended_at is not None and time.monotonic() - worker.ended_at > EXIT_NOTICE_TIMEOUT:
                worker.ended_at = None
                yield WorkerGone(worker.number, None)
                yield from self._attach(worker)

    def _disconnect(self) -> Iterator[Event]:
        """The runtime as a whole is gone."""
        self._drop(self._control)
        self._control = None
        if self.problem is None or self.problem[0] != "RuntimeTooOld":
            self.problem = (
                "RuntimeNotConnected",
                "the runtime closed its connection: see the log of the container runtime",
            )
        self.loaded = False
        workers, self._workers = self._workers, []
        for worker in workers:
            if worker.connection is not None:
                self._drop(worker.connection)
                yield WorkerGone(worker.number, worker.exited)
            elif worker.ended_at is not None:
                yield WorkerGone(worker.number, worker.exited)

    def _drop(self, connection: _Connection | None) -> None:
        if connection is not None:
            self._selector.unregister(connection.socket)
            connection.socket.close()
