"""Connections to the runtime: one for control, one for each worker, all of them non-blocking.

Nothing here knows what a batch means. `wait` returns events; what is sent is buffered until the socket takes it.
"""

import contextlib
import logging
import selectors
import socket
import time
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from kafkatrigger.api import frames, pod_status
from kafkatrigger.api.frames import (
    PROTOCOL_VERSIONS,
    TRANSFORMING_VERSION,
    Attach,
    Batch,
    End,
    FrameBuffer,
    FrameError,
    FromRuntime,
    Hello,
    Refused,
    Results,
    Revisions,
    Welcome,
    Work,
    WorkerExited,
    WorkerState,
)
from kafkatrigger.consumer.catalog import Assignment

log = logging.getLogger(__name__)

RECONNECT_INTERVAL = 0.25
SOCKET_BUFFER = 4 * 1024 * 1024
RECEIVE = 1024 * 1024
CONNECT_TIMEOUT = 1.0
EXIT_NOTICE_TIMEOUT = 5.0
"""Seconds between the end of a worker's connection and the supervisor's word on why."""

_CHANGED = "the transformation changed"

_CLOSED = (
    pod_status.RUNTIME_NOT_CONNECTED,
    "the runtime closed its connection: see the log of the container runtime",
)


class RuntimeJoined(msgspec.Struct):
    """A runtime with so many workers, none of them attached yet. Those of the one before are gone."""

    workers: int


class WorkerAttached(msgspec.Struct):
    """A worker takes batches now, and so many of their messages at a time."""

    worker: int
    concurrency: int = 1


class WorkerGone(msgspec.Struct):
    """A worker's connection ended, all that it had answered was reported before. `exited` is None where nobody knows why."""

    worker: int
    exited: WorkerExited | None


class WorkerAnswered(msgspec.Struct):
    """A worker answered."""

    worker: int
    results: Results


Event = RuntimeJoined | WorkerAttached | WorkerGone | WorkerAnswered


class _Connection:
    """One socket with what waits to be sent."""

    def __init__(self, path: str, worker: int | None = None) -> None:
        self.worker = worker
        """The worker at its other end; None for control."""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        self.socket.settimeout(CONNECT_TIMEOUT)
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
        sent = 0
        if not self._outgoing:
            with contextlib.suppress(OSError):  # it is full, or broken, which `receive` notices
                sent = self.socket.send(data)
        if sent < len(data):
            self._outgoing += memoryview(data)[sent:]

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

    def receive(self) -> tuple[list[FromRuntime], bool]:
        """The frames that have arrived, and whether the connection goes on."""
        try:
            data = self.socket.recv(RECEIVE)
        except BlockingIOError:
            return [], True
        except OSError:
            return [], False
        try:
            return [frames.from_runtime.decode(payload) for payload in self._incoming.feed(data)], bool(data)
        except (FrameError, msgspec.DecodeError) as error:
            log.error("the runtime sent what is no frame (%s): its connection is closed", error)
            return [], False


class _Worker:
    """What is known of one worker."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.connection: _Connection | None = None
        self.exited: WorkerExited | None = None
        self.ended_at: float | None = None
        self.failure: str | None = None
        """Why it could not load the transformation, since it was last ready."""
        self.was_ready = False
        self.concurrency = 1


class RuntimeLink:
    """The runtime as the dispatcher sees it. `problem` says why it is not of use yet.

    Where transformations run, nothing is said to a runtime before it is known which, and what changes of them it is told.
    """

    def __init__(self, path: str, name: str, work: Work, assignment: Assignment | None = None) -> None:
        self._path = path
        # A runtime that knows nothing of transformations refuses, and says so.
        known = [version for version in PROTOCOL_VERSIONS if assignment is None or version >= TRANSFORMING_VERSION]
        self._hello = Hello(known, name, work)
        self._assignment = assignment
        self._selector = selectors.DefaultSelector()
        self._control: _Connection | None = None
        self._session = ""
        self._retry_at = 0.0
        self._workers: list[_Worker] = []
        self._problem: tuple[str, str] = (pod_status.RUNTIME_NOT_CONNECTED, "the runtime has not been reached yet")
        self.restarts: dict[str, int] = {}

    @property
    def loaded(self) -> bool:
        """Whether a worker takes batches."""
        return any(worker.connection is not None for worker in self._workers)

    @property
    def problem(self) -> tuple[str, str] | None:
        """Why nothing can be run. A worker that is replaced after a crash is none, one that cannot load any more is."""
        if self.loaded:
            return None
        if not self._workers:
            return self._problem
        failures = [worker.failure for worker in self._workers if worker.failure is not None]
        if failures:
            return pod_status.TRANSFORMATION_NOT_LOADED, failures[0]
        if any(worker.was_ready for worker in self._workers):
            return None
        return pod_status.TRANSFORMATION_LOADING, "the runtime is loading the transformation"

    def wait(self, timeout: float) -> list[Event]:
        """What happened within `timeout` seconds; returns as soon as something did."""
        events = list(self._look_for_changes())
        self._connect()
        for key, mask in self._selector.select(timeout):
            if key.data.socket.fileno() >= 0:  # else an event before this one closed it
                events += self._serve(key.data, mask)
        events += self._overdue()
        return events

    def send(self, worker: int, batch: Batch) -> None:
        """Sends a batch to an attached worker."""
        connection = self._workers[worker].connection
        if connection is not None:
            connection.send(frames.encode(batch))
            self._watch(connection)

    def end(self, worker: int) -> None:
        """Has the worker ended, whatever it runs; its end is reported like any other."""
        if self._control is not None:
            self._control.send(frames.encode(End(worker)))
            self._watch(self._control)

    def detach(self, worker: int) -> None:
        """Ends the connection to a worker that does not keep to the protocol; its end is reported like any other."""
        connection = self._workers[worker].connection
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes everything: the workers drop what they have."""
        for _ in self._disconnect():
            pass
        self._selector.close()

    def _look_for_changes(self) -> Iterator[Event]:
        """Tells workers of other transformations; what runs one of its own for every message begins anew with it."""
        if self._assignment is None or (news := self._assignment.look()) is None:
            return
        for worker in self._workers:
            if worker.connection is not None:
                self._send(worker.connection, news)
        if not news and self._control is not None:
            log.info("%s: the workers begin anew", _CHANGED)
            for worker in self._workers:
                worker.exited = worker.exited or WorkerExited(worker.number, "Ended", _CHANGED, [])
            yield from self._disconnect()
            self._problem = (pod_status.TRANSFORMATION_LOADING, f"{_CHANGED}: the runtime loads it anew")
            self._retry_at = 0.0

    def _send(self, connection: _Connection, news: list[Revisions]) -> None:
        for frame in news:
            connection.send(frames.encode(frame))
        self._watch(connection)

    def _connect(self) -> None:
        if self._control is not None or time.monotonic() < self._retry_at:
            return
        if self._assignment is not None and not self._assignment.is_known:
            self._problem = (pod_status.TRANSFORMATION_NOT_FOUND, self._assignment.problem)
            return
        self._retry_at = time.monotonic() + RECONNECT_INTERVAL
        try:
            self._control = _Connection(self._path)
        except OSError as error:
            sentence = f"the runtime does not accept connections ({error}): see the log of the container runtime"
            self._problem = (pod_status.RUNTIME_NOT_CONNECTED, sentence)
            return
        revisions = self._assignment.revisions if self._assignment is not None else []
        hello = replace(self._hello, work=replace(self._hello.work, revisions=revisions))
        self._control.send(frames.encode(hello))
        self._watch(self._control)

    def _watch(self, connection: _Connection) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.is_sending else 0)
        known = self._selector.get_map().get(connection.socket)
        if known is None:
            self._selector.register(connection.socket, events, connection)
        elif known.events != events:
            self._selector.modify(connection.socket, events, connection)

    def _serve(self, connection: _Connection, mask: int) -> Iterator[Event]:
        if mask & selectors.EVENT_WRITE:
            connection.flush()
            self._watch(connection)
        if mask & selectors.EVENT_READ:
            yield from self._receive(connection)

    def _receive(self, connection: _Connection) -> Iterator[Event]:
        """What has arrived, and the end where that is it."""
        received, alive = connection.receive()
        worker = connection.worker
        for frame in received:
            if worker is None:
                yield from self._on_control(frame)
            elif isinstance(frame, Results):
                yield WorkerAnswered(worker, frame)
            elif isinstance(frame, Refused):  # it ended in the moment it was attached to: its exit says the rest
                log.info("worker %d refused: %s", worker, frame.message)
        if not alive:
            yield from self._disconnect() if worker is None else self._ended(self._workers[worker])

    def _on_control(self, frame: FromRuntime) -> Iterator[Event]:
        if isinstance(frame, Welcome):
            self._session = frame.session
            self._workers = [_Worker(index) for index in range(frame.workers)]
            self._problem = _CLOSED
            yield RuntimeJoined(frame.workers)
        elif isinstance(frame, WorkerState):
            yield from self._state_of(frame)
        elif isinstance(frame, WorkerExited):
            worker = self._workers[frame.worker]
            self.restarts[frame.reason] = self.restarts.get(frame.reason, 0) + 1
            worker.exited = frame
            yield from self._gone(worker)
        elif isinstance(frame, Refused):
            self._problem = (frame.reason, frame.message)
            log.warning("the runtime refused: %s", frame.message)

    def _state_of(self, state: WorkerState) -> Iterator[Event]:
        worker = self._workers[state.worker]
        if state.state == "ready":
            worker.concurrency = state.concurrency
            yield from self._attach(worker)
        elif state.state == "failed":
            worker.failure = state.message
            log.error("%s", state.message)

    def _attach(self, worker: _Worker) -> Iterator[Event]:
        if worker.connection is not None:  # of the process before, whose last answers were not read yet
            yield from self._read_to_the_end(worker, worker.connection)
        try:
            connection = _Connection(self._path, worker.number)
        except OSError as error:
            log.warning("worker %d cannot be attached to: %s", worker.number, error)
            return
        worker.connection, worker.exited, worker.ended_at = connection, None, None
        worker.failure, worker.was_ready = None, True
        connection.send(frames.encode(Attach(self._session, worker.number)))
        self._send(connection, self._assignment.all() if self._assignment is not None else [])
        yield WorkerAttached(worker.number, worker.concurrency)

    def _read_to_the_end(self, worker: _Worker, connection: _Connection) -> Iterator[Event]:
        connection.socket.settimeout(CONNECT_TIMEOUT)
        while worker.connection is not None:
            yield from self._receive(connection)
        if worker.ended_at is not None:
            worker.ended_at = None
            yield WorkerGone(worker.number, worker.exited)

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
        if not self._problem[0].startswith("RuntimeToo"):
            self._problem = _CLOSED
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
