"""Takes connections from the consumer, and keeps workers for it.

The supervisor runs no code of the user and sees no message: it hands each data connection to the worker it is for.
It is a native sidecar and so is told to end after the consumer; it ends when the consumer has closed its connection.
"""

import asyncio
import logging
import secrets
import signal
import socket
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from kafkatrigger.api import frames, logs
from kafkatrigger.api.frames import (
    LENGTH,
    Attach,
    End,
    FrameBuffer,
    FrameError,
    Hello,
    Refused,
    Welcome,
    Work,
    WorkerExited,
    WorkerState,
)

from .loading import what_runs
from .watch import watch
from .workers import Worker

FIRST_FRAME_SECONDS = 10
FIRST_FRAME_LIMIT = 64 << 20
"""Bytes: the transformation that runs for every message comes with hello, and all that it is made of."""
CONTROL_FRAME_LIMIT = 1 << 20
UNREAD_LIMIT = 1 << 20
log = logging.getLogger("kafkatrigger.runtime")


class Supervisor:
    """One session at a time: the consumer that said Hello last, and the workers for its work."""

    def __init__(self, path: Path, workers: int, memory_budget: int | None) -> None:
        self._path = path
        self._count = workers
        self._memory_budget = memory_budget
        self._session = ""
        self._work: Work | None = None
        self._workers: list[Worker] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._control: asyncio.StreamWriter | None = None
        self._stopping = False
        self._stopped = asyncio.Event()
        self._tasks: asyncio.TaskGroup
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serves until it is told to end."""
        with _listener(self._path) as listener:
            log.info("listening on %s", self._path)
            async with asyncio.TaskGroup() as self._tasks:
                for number in (signal.SIGTERM, signal.SIGINT):
                    asyncio.get_running_loop().add_signal_handler(number, self._on_signal)
                self._start(self._accept(listener))
                self._start(watch(lambda: self._workers, self._memory_budget))
                await self._stopped.wait()
                for task in tuple(self._running):
                    task.cancel()
        self._path.unlink(missing_ok=True)
        log.info("ended")

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def _on_signal(self) -> None:
        """The first signal waits for the consumer to be done, a second one does not."""
        if self._stopping or self._control is None:
            self._stopped.set()
        else:
            log.info("told to end: waiting for the consumer to close its connection")
        self._stopping = True

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            self._start(self._serve(connection))

    async def _serve(self, connection: socket.socket) -> None:
        """Serves a connection by its first frame; whatever is wrong with that is told and ends the connection alone."""
        with connection:
            try:
                first = await _first_frame(connection)
                if isinstance(first, Hello):
                    await self._serve_control(connection, first)
                elif isinstance(first, Attach):
                    await self._attach(connection, first)
                else:
                    await _refuse(connection, "InvalidFrame", "a connection begins with hello or attach")
            except (FrameError, msgspec.DecodeError) as error:
                await _refuse(connection, "InvalidFrame", f"the first frame cannot be read: {error}")
            except (OSError, EOFError) as error:  # TimeoutError is an OSError
                log.info("a connection ended: %r", error)

    async def _attach(self, connection: socket.socket, attach: Attach) -> None:
        if attach.session != self._session:
            await _refuse(connection, "UnknownSession", "the session ended when a consumer said hello anew")
        elif not 0 <= attach.worker < len(self._workers):
            await _refuse(connection, "UnknownWorker", f"there is no worker {attach.worker}: see welcome")
        elif not self._workers[attach.worker].hand_over(connection):
            await _refuse(connection, "WorkerNotReady", f"worker {attach.worker} is not ready: wait for its state")

    async def _serve_control(self, connection: socket.socket, hello: Hello) -> None:
        version = max(set(hello.versions) & set(frames.PROTOCOL_VERSIONS), default=None)
        if version is None:
            await _refuse(connection, *_no_common_version(hello.versions))
            return
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        self._open_session(hello, writer)
        try:
            self._tell(Welcome(version, self._session, self._count))
            for worker in self._workers:
                self._tell(worker.state)
            incoming = FrameBuffer(CONTROL_FRAME_LIMIT)
            while data := await reader.read(65536):
                for payload in incoming.feed(data):
                    self._take(frames.from_consumer.decode(payload))
        finally:
            writer.transport.abort()
            if self._control is writer:
                self._control_closed()

    def _take(self, frame: frames.FromConsumer) -> None:
        """What the consumer says after hello; what this version does not know of is no fault of the consumer's."""
        if isinstance(frame, End) and 0 <= frame.worker < len(self._workers):
            self._workers[frame.worker].end()

    def _open_session(self, hello: Hello, control: asyncio.StreamWriter) -> None:
        """A consumer that says hello replaces the one before. Idle workers serve it at once if the work is the same."""
        logs.speak_of(hello.name)
        log.info("a consumer says hello, to run %s", what_runs(hello.work))
        if self._control is not None:
            self._control.transport.abort()
        self._control = control
        self._session = secrets.token_hex(8)
        if hello.work == self._work:
            for worker in self._workers:
                worker.replace_unless_idle()
        else:
            self._replace_workers(hello.work, hello.name)

    def _replace_workers(self, work: Work, trigger: str) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        self._work = work
        self._workers = [Worker(number, work, trigger, self._tell) for number in range(self._count)]
        self._keepers = [self._start(worker.keep()) for worker in self._workers]

    def _control_closed(self) -> None:
        """Workers stay, for a consumer that restarts."""
        log.info("the consumer closed its connection")
        self._control = None
        if self._stopping:
            self._stopped.set()

    def _tell(self, frame: Welcome | WorkerState | WorkerExited) -> None:
        """Sends to the consumer, if there is one; one that does not read is given up."""
        if self._control is None:
            return
        self._control.write(frames.encode(frame))
        if self._control.transport.get_write_buffer_size() > UNREAD_LIMIT:
            self._control.transport.abort()


def _listener(path: Path) -> socket.socket:
    """A listening socket for this user and group, the consumer being another user.

    It appears under its name when it is ready, in place of what a dead runtime left.
    """
    unready = path.with_name(f"{path.name}~")
    unready.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    listener.bind(str(unready))
    unready.chmod(0o660)
    listener.listen(16)
    unready.rename(path)
    return listener


async def _first_frame(connection: socket.socket) -> frames.FromConsumer:
    """The first frame and not a byte more: what follows may be for a worker."""
    async with asyncio.timeout(FIRST_FRAME_SECONDS):
        (length,) = LENGTH.unpack(await _receive(connection, LENGTH.size))
        if length > FIRST_FRAME_LIMIT:
            raise FrameError(f"a first frame of {length} bytes exceeds the limit of {FIRST_FRAME_LIMIT}")
        frame: frames.FromConsumer = frames.from_consumer.decode(await _receive(connection, length))
        return frame


async def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = await asyncio.get_running_loop().sock_recv(connection, size - len(data))
        if not part:
            raise EOFError("the peer closed it before its first frame")
        data += part
    return bytes(data)


async def _refuse(connection: socket.socket, reason: str, message: str) -> None:
    log.info("refused a connection: %s", message, extra={"reason": reason})
    with suppress(OSError):
        await asyncio.get_running_loop().sock_sendall(connection, frames.encode(Refused(reason, message)))


def _no_common_version(theirs: list[int]) -> tuple[str, str]:
    ours = frames.PROTOCOL_VERSIONS
    spoken = f"the runtime speaks protocol {_listed(ours)}, the consumer {_listed(theirs)}"
    if max(theirs, default=0) > max(ours):
        return "RuntimeTooOld", f"{spoken}: build spec.runtime.image upon a newer runtime image"
    return "RuntimeTooNew", f"{spoken}: upgrade the operator, or build spec.runtime.image upon an older runtime image"


def _listed(versions: tuple[int, ...] | list[int]) -> str:
    return ", ".join(map(str, versions)) or "none"
