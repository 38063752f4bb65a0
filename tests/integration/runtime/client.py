"""A real runtime and what a consumer does with it, in its simplest form: blocking sockets, one frame at a time."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kafkatrigger.api import frames
from kafkatrigger.api.frames import (
    LENGTH,
    Attach,
    Batch,
    Format,
    FromConsumer,
    FromRuntime,
    Headers,
    Hello,
    Ordering,
    Outcome,
    Record,
    Results,
    Welcome,
    Work,
    WorkerExited,
    WorkerState,
)
from tests.support.waiting import until

PATIENCE = 30.0
"""Seconds to wait for anything; a healthy runtime needs a fraction of one."""
Frame = TypeVar("Frame")
Opened = TypeVar("Opened", bound="Connection")


class Connection:
    """A connection that sends and receives frames."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self._file = self.socket.makefile("rb")

    def send(self, frame: FromConsumer) -> None:
        self.socket.sendall(frames.encode(frame))

    def receive(self) -> FromRuntime:
        """The next frame; EOFError when there is none."""
        header = self._file.read(LENGTH.size)
        if len(header) < LENGTH.size:
            raise EOFError
        frame: FromRuntime = frames.from_runtime.decode(self._file.read(*LENGTH.unpack(header)))
        return frame

    def expect(self, kind: type[Frame]) -> Frame:
        """The next frame, which is of this kind."""
        frame = self.receive()
        assert isinstance(frame, kind), frame
        return frame

    def is_closed(self) -> bool:
        """Waits for the peer to close, with nothing more to say."""
        return self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class Data(Connection):
    """A connection to a worker."""

    def run(self, *values: Any, batch: int = 1, **options: Any) -> list[Outcome]:
        """Outcomes of messages with these values (JSON), each of a key of its own unless `keys` are given."""
        self.send(batch_of(*values, batch=batch, **options))
        return self.outcomes(len(values), batch)

    def outcomes(self, count: int, batch: int = 1) -> list[Outcome]:
        """The outcomes of a batch of `count` messages, in however many parts they come."""
        outcomes: list[Outcome] = []
        while len(outcomes) < count:
            results = self.expect(Results)
            assert (results.batch, results.first, results.indexes) == (batch, len(outcomes), None)
            outcomes += results.outcomes
        return outcomes

    def run_side_by_side(self, *values: Any, batch: int = 1, **options: Any) -> list[Outcome]:
        """`run` for a function that finishes messages in any order: the outcomes in the order of messages."""
        self.send(batch_of(*values, batch=batch, **options))
        outcomes = dict(self.outcomes_as_they_come(len(values)))
        return [outcomes[batch, index] for index in range(len(values))]

    def outcomes_as_they_come(self, count: int) -> list[tuple[tuple[int, int], Outcome]]:
        """Batch and index, and outcome, of so many messages, in the order in which they finished."""
        outcomes: list[tuple[tuple[int, int], Outcome]] = []
        while len(outcomes) < count:
            results = self.expect(Results)
            assert results.indexes is not None
            names = [(results.batch, index) for index in results.indexes]
            outcomes += zip(names, results.outcomes, strict=True)
        assert len(dict(outcomes)) == count
        return outcomes


class Control(Connection):
    """The control connection of a session."""

    session = ""
    states: dict[int, WorkerState]

    def hello(self, work: Work) -> Welcome:
        self.send(Hello(list(frames.PROTOCOL_VERSIONS), "tests/trigger", work))
        welcome = self.expect(Welcome)
        self.session, self.states = welcome.session, {}
        return welcome

    def await_state(self, worker: int, state: str) -> WorkerState:
        """Takes frames until the worker is in this state."""
        while worker not in self.states or self.states[worker].state != state:
            frame = self.expect(WorkerState)
            self.states[frame.worker] = frame
        return self.states[worker]

    def await_exit(self, worker: int = 0) -> WorkerExited:
        """Takes frames until the worker exits."""
        while not isinstance(frame := self.receive(), WorkerExited):
            assert isinstance(frame, WorkerState)
            self.states[frame.worker] = frame
        assert frame.worker == worker
        self.states.pop(worker, None)
        return frame


class Runtime:
    """A runtime process, with the directory that its user's modules are in."""

    def __init__(self, directory: Path, workers: int = 1, memory_limit: int | None = None) -> None:
        self.path = directory / "runtime.sock"
        self.modules = directory
        self.workers = workers
        self.log = directory / "log"
        self.connections: list[Connection] = []
        limit = [] if memory_limit is None else ["--memory-limit", str(memory_limit)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "kafkatrigger.runtime"),
                    *("--socket", str(self.path), "--workers", str(workers), *limit),
                ],
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                cwd=directory,
                stderr=log,
                stdout=log,
            )
        until(self.path.is_socket, what="the runtime's socket")

    def control(self) -> Control:
        """A connection that has not said hello."""
        return self._kept(Control(self.path))

    def data(self, session: str, worker: int = 0) -> Data:
        """A connection that is attached to a worker."""
        connection = self._kept(Data(self.path))
        connection.send(Attach(session, worker))
        return connection

    def start_session(self, function: str = "good", **options: Any) -> tuple[Control, Data]:
        """A session whose first worker is ready, and a connection to that."""
        return self.start(work(function, **options))

    def start(self, work: Work) -> tuple[Control, Data]:
        """The same for any work."""
        control = self.control()
        control.hello(work)
        control.await_state(0, "ready")
        return control, self.data(control.session)

    def _kept(self, connection: Opened) -> Opened:
        self.connections.append(connection)
        return connection

    def worker_pids(self) -> set[int]:
        """The processes that the runtime has started."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return {int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()}

    def end(self) -> None:
        """Ends it for good."""
        for connection in self.connections:
            connection.close()
        self.process.kill()
        self.process.wait()


def work(
    function: str,
    value_format: Format = "JSON",
    ordering: Ordering = "Key",
    timeout: float = 30,
    skip_tombstones: bool = False,
    filter: str = "",  # noqa: A002 - named as in the trigger
) -> Work:
    """Work with a function of the module `functions`, unless it names another."""
    reference = function if ":" in function else f"functions:{function}"
    return Work(reference, value_format, "String", ordering, round(timeout * 1000), skip_tombstones, filter)


def batch_of(
    *values: Any,
    batch: int = 1,
    keys: list[bytes | None] | None = None,
    headers: Headers | None = None,
    released: list[bytes | None] | None = None,
) -> Batch:
    """Messages with these values, at offsets 0, 1, ..., and the keys of lanes that go on with them."""
    records: list[Record] = []
    for offset, value in enumerate(values):
        key = keys[offset] if keys else b"key-%d" % offset
        data = None if value is None else value if isinstance(value, bytes) else msgspec.json.encode(value)
        records.append((0, offset, 1_780_000_000_000, 1, key, data, headers))
    return Batch(batch, [("readings", 3)], records, [(0, key) for key in released or []])
