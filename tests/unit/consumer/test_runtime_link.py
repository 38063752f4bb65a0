"""The link, with a runtime that says what a test wants it to. Real ones are elsewhere."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kafkatrigger.api import frames, pod_status
from kafkatrigger.api.frames import (
    Attach,
    Batch,
    FrameBuffer,
    Hello,
    Refused,
    Revisions,
    Welcome,
    Work,
    WorkerExited,
    WorkerState,
)
from kafkatrigger.api.transforming import Transforming
from kafkatrigger.consumer.catalog import Assignment
from kafkatrigger.consumer.runtime_link import Event, RuntimeJoined, RuntimeLink, WorkerAttached, WorkerGone
from tests.unit.consumer.test_catalog import REQUESTS, STREAM, Given, ids, listing, manifest


class Peer:
    """A connection at the runtime's end."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(10)
        self._buffer = FrameBuffer()
        self._waiting: list[Any] = []

    def next(self) -> Any:
        while not self._waiting:
            data = self.socket.recv(1 << 20)
            assert data, "the consumer closed it"
            self._waiting += [frames.from_consumer.decode(each) for each in self._buffer.feed(data)]
        return self._waiting.pop(0)

    def is_closed(self) -> bool:
        return self.socket.recv(1) == b""

    def say(self, *what: Any) -> None:
        for frame in what:
            self.socket.sendall(frames.encode(frame))


class World:
    """A runtime with one worker, which is there from the beginning, and a link to it."""

    def __init__(self, path: Path, transforming: Transforming | None) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.settimeout(10)
        self.listener.bind(str(path))
        self.listener.listen()
        self.catalog = Given()
        self.peers: list[Peer] = []
        work = Work("", "JSON", "String", "Key", 1000, False, transforming=transforming)
        assignment = Assignment(transforming, self.catalog) if transforming else None
        self.link = RuntimeLink(str(path), "n/t", work, assignment)

    def accept(self) -> Peer:
        self.peers.append(Peer(self.listener.accept()[0]))
        return self.peers[-1]

    def events(self, count: int) -> list[Event]:
        """So many, or those of a second."""
        found: list[Event] = []
        for _ in range(20):
            if len(found) < count:
                found += self.link.wait(0.05)
        return found

    def join(self) -> tuple[Peer, Hello]:
        """Says welcome to the next hello."""
        self.link.wait(0)
        control = self.accept()
        hello = control.next()
        control.say(Welcome(max(hello.versions), "session", 1), WorkerState(0, "ready"))
        return control, hello

    def attach(self) -> Peer:
        """The worker's connection, once the engine is told of it."""
        assert [type(each) for each in self.events(2)] == [RuntimeJoined, WorkerAttached]
        worker = self.accept()
        assert worker.next() == Attach("session", 0)
        return worker

    def close(self) -> None:
        self.link.close()
        for each in self.peers:
            each.socket.close()
        self.listener.close()


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(tmp_path / "socket", request.param)
    yield made
    made.close()


of = pytest.mark.parametrize


@of("world", [None], indirect=True)
def test_a_function_runs_in_a_runtime_that_knows_nothing_of_transformations(world: World) -> None:
    _, hello = world.join()
    assert (hello.versions, hello.work.revisions) == ([2, 1], [])
    world.attach()


@of("world", [STREAM, REQUESTS], indirect=True)
def test_nothing_is_said_before_it_is_known_what_runs(world: World) -> None:
    world.listener.settimeout(0.1)
    world.link.wait(0.3)
    with pytest.raises(TimeoutError):
        world.accept()
    assert world.link.problem == (pod_status.TRANSFORMATION_NOT_FOUND, Given.problem)


@of("world", [STREAM], indirect=True)
def test_a_name_that_nothing_has_is_told(world: World) -> None:
    world.catalog.now = listing(manifest("other"))
    world.link.wait(0)
    assert world.link.problem is not None
    assert world.link.problem[0] == pod_status.TRANSFORMATION_NOT_FOUND
    assert "no Transformation whole" in world.link.problem[1]


@of("world", [STREAM], indirect=True)
def test_hello_has_the_revisions_and_workers_begin_anew_when_these_change(world: World) -> None:
    world.catalog.now = listing(manifest("whole", "a"), manifest("a"))
    control, hello = world.join()
    assert (hello.versions, ids(hello.work.revisions)) == ([2], ["whole", "a"])
    world.attach()
    world.catalog.now = listing(manifest("whole"))
    assert world.events(1) == [WorkerGone(0, WorkerExited(0, "Ended", "the transformation changed", []))]
    assert control.is_closed()
    assert world.link.problem is not None
    assert world.link.problem[0] == pod_status.TRANSFORMATION_LOADING
    _, hello = world.join()
    assert ids(hello.work.revisions) == ["whole"]
    world.attach()
    assert world.link.problem is None


@of("world", [STREAM], indirect=True)
def test_what_has_nothing_to_do_with_it_changes_nothing(world: World) -> None:
    world.catalog.now = listing(manifest("whole"))
    world.join()
    world.attach()
    world.catalog.now = listing(manifest("whole"), manifest("other"))
    assert world.events(1) == []
    world.catalog.now = listing()
    assert world.events(1) == []
    assert world.link.loaded


@of("world", [REQUESTS], indirect=True)
def test_a_worker_for_requests_gets_all_before_its_first_batch_and_changes_later(world: World) -> None:
    world.catalog.now = listing(manifest("a"), manifest("b", labels=REQUESTS.selector))
    _, hello = world.join()
    assert hello.work.revisions == []
    worker = world.attach()
    world.link.send(0, Batch(1, [], []))
    told = worker.next()
    assert [(may, ids([spec])) for may, spec in told.put] == [(False, ["a"]), (True, ["b"])]
    assert isinstance(worker.next(), Batch)
    world.catalog.now = listing(manifest("b", labels=REQUESTS.selector))
    assert world.events(1) == []
    assert worker.next() == Revisions([], ["a"])


@of("world", [STREAM, REQUESTS], indirect=True)
def test_a_runtime_that_is_too_old_says_so(world: World) -> None:
    world.catalog.now = listing(manifest("whole"))
    world.link.wait(0)
    control = world.accept()
    assert control.next().versions == [2]
    control.say(Refused("RuntimeTooOld", "the runtime speaks protocol 1"))
    control.socket.close()
    world.events(1)
    assert world.link.problem == (pod_status.RUNTIME_TOO_OLD, "the runtime speaks protocol 1")
