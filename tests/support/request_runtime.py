"""A runtime that serves requests by what they say themselves: it keeps to the frames, and runs nothing.

`python -m tests.support.request_runtime --socket PATH --workers N`. A request is JSON with a field `do`: `know` (the ids that
may be requested), `large` (so many bytes that hardly get smaller), `side` (one more to the topic `to`), `fail` (that may be
tried again, until the attempt `until`), `crash`.
"""

import argparse
import base64
import itertools
import os
import socket
from typing import Any

import msgspec

from kafkatrigger.api import frames
from kafkatrigger.api.frames import (
    Attach,
    Batch,
    Failed,
    FrameBuffer,
    Hello,
    Outcome,
    Output,
    Outputs,
    Record,
    Results,
    Revisions,
    Welcome,
    WorkerExited,
    WorkerState,
)


class Peer:
    """A connection of the consumer's."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._buffer = FrameBuffer()
        self._waiting: list[Any] = []

    def next(self) -> Any:
        """The next frame, None at the end."""
        while not self._waiting:
            data = self.socket.recv(1 << 20)
            if not data:
                return None
            self._waiting += [frames.from_consumer.decode(each) for each in self._buffer.feed(data)]
        return self._waiting.pop(0)

    def say(self, frame: Any) -> None:
        self.socket.sendall(frames.encode(frame))


def main() -> None:
    """Serves one consumer, with one worker, until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket")
    parser.add_argument("--workers")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(parser.parse_args().socket)
    listener.listen()
    control = Peer(listener.accept()[0])
    hello = control.next()
    assert isinstance(hello, Hello)
    assert hello.work.value_format == "Bytes"
    control.say(Welcome(max(hello.versions), "session", 1))
    for _ in itertools.count():
        control.say(WorkerState(0, "ready"))
        worker = Peer(listener.accept()[0])
        assert isinstance(worker.next(), Attach)
        suspect = _serve(worker)
        worker.socket.close()
        if suspect is None:
            return
        control.say(WorkerExited(0, "WorkerCrashed", "the worker was killed by a request", [suspect]))


def _serve(worker: Peer) -> tuple[int, int] | None:
    """The message with which the worker ends; None where the consumer does."""
    known: dict[str, bool] = {}
    while (frame := worker.next()) is not None:
        if isinstance(frame, Revisions):
            known |= {msgspec.json.decode(spec)["id"]: may for may, spec in frame.put}
            known = {id_: may for id_, may in known.items() if id_ not in frame.removed}
        elif isinstance(frame, Batch):
            for index, record in enumerate(frame.records):
                request = msgspec.json.decode(record[5] or b"")
                if request["do"] == "crash":
                    return frame.id, index
                worker.say(Results(frame.id, index, [_answer(request, record, known)]))
    return None


def _answer(request: dict[str, Any], record: Record, known: dict[str, bool]) -> Outcome:
    if request["do"] == "large":
        return base64.b64encode(os.urandom(request["bytes"] * 3 // 4))
    if request["do"] == "fail" and record[3] < request["until"]:
        return Failed("FunctionFailed", "Retriable", "not yet", False)
    answer = msgspec.json.encode(
        {"job_id": request["job_id"], "known": sorted(id_ for id_, may in known.items() if may)}
    )
    if request["do"] == "side":
        return Outputs([Output(answer), Output(b"beside", topic=request["to"])])
    return answer


if __name__ == "__main__":
    main()
