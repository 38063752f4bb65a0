"""How fast one worker is: messages a second over its socket, for a trivial function on JSON of about 150 bytes.

    python -m benchmarks.frames [plain|filter|filtered|batch|async|request|ten|series|figure|rul|stream ...]
                                [--messages N] [--batch N] [--ahead N]

`filter` passes every message and `filtered` none; `async` waits 5 ms for each message, with 1,000 keys. Requests run a
component that does nothing, a workflow of `ten` of them, one that gets a series of 1,440 points, and one that answers a
figure of 1,500; `rul` is the workflow of the tests, without its plot; `stream` is the first of these for every message.

It plays the consumer, but only encodes and decodes frames, so what it measures is the runtime.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.programs import transformations
from kafkatrigger.api import frames
from kafkatrigger.api.frames import (
    LENGTH,
    Attach,
    Batch,
    FromConsumer,
    FromRuntime,
    Hello,
    Record,
    Results,
    Revisions,
    Welcome,
    Work,
    WorkerState,
)
from kafkatrigger.api.transforming import Transforming, WiredInput

FUNCTIONS = """
import asyncio
from kafkatrigger import batch

def plain(message):
    reading = message.value
    reading["result"] = reading["value"] * 2
    return reading

@batch(size=100)
def in_batches(messages):
    return [plain(message) for message in messages]

async def waiting(message):
    await asyncio.sleep(0.005)
    return plain(message)
"""


@dataclass(frozen=True)
class Case:
    """What the worker runs, and for what."""

    work: Work
    value: bytes
    share: float = 1.0
    """Of the messages that are asked for, where a message takes long."""


def _function(name: str, expression: str = "", share: float = 1.0) -> Case:
    return Case(Work(f"functions:{name}", "JSON", "String", "Key", 30_000, False, expression), _reading(), share)


def _request(identity: str, share: float) -> Case:
    work = Work("", "Bytes", "String", "Key", 30_000, False, transforming=Transforming(mode="Execute"))
    return Case(work, transformations.request(identity, transformations.INPUTS[identity]), share)


def _stream() -> Case:
    wired = Transforming(mode="Stream", ref="nothing", inputs=(WiredInput(name="x", expression="value.value"),))
    revisions = [transformations.specs()["nothing"]]
    return Case(
        Work("", "JSON", "String", "Key", 30_000, False, transforming=wired, revisions=revisions), _reading(), 0.1
    )


def _reading() -> bytes:
    value = {
        "id": 12345678,
        "time": "2026-06-01T12:00:00.000Z",
        "value": 21.5,
        "unit": "C",
        "sensor": "plant-7/line-3/",
    }
    value["note"] = "x" * (150 - len(orjson.dumps(value)) - 10)
    return orjson.dumps(value)


CASES = {
    "plain": _function("plain"),
    "filter": _function("plain", "value.value < 80"),
    "filtered": _function("plain", "value.value > 80"),
    "batch": _function("in_batches"),
    "async": _function("waiting", share=0.2),
    "request": _request("nothing", 0.1),
    "ten": _request("ten", 0.1),
    "series": _request("series", 0.01),
    "figure": _request("figure", 0.01),
    "rul": _request("RUL", 0.005),
    "stream": _stream(),
}


class Peer:
    """A blocking connection that speaks frames."""

    control: "Peer | None" = None
    """Of a connection to a worker: what keeps its session open."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.socket.setsockopt(socket.SOL_SOCKET, option, 1 << 22)
        self.socket.connect(str(path))
        self._file = self.socket.makefile("rb", buffering=1 << 20)

    def send(self, frame: FromConsumer) -> None:
        self.socket.sendall(frames.encode(frame))

    def receive(self) -> FromRuntime:
        (length,) = LENGTH.unpack(self._file.read(LENGTH.size))
        frame: FromRuntime = frames.from_runtime.decode(self._file.read(length))
        return frame


def main() -> None:
    """Prints a line for each case: messages a second, and what each cost the worker, which other load hardly moves."""
    options = _options()
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "functions.py").write_text(FUNCTIONS)
        for case in options.cases or CASES:
            with _runtime(Path(directory)) as (process, path):
                print(f"{case:10}{_measured(case, process, path, options)}")
    print(f"through one worker, in frames of {options.batch}, {options.ahead} of them ahead")


def _measured(case: str, process: subprocess.Popen[bytes], path: Path, options: argparse.Namespace) -> str:
    worker = _attach(path, case)
    batches = _batches(CASES[case].value, options.batch, options.ahead)
    _run(worker, batches, options.batch, 20, options.ahead)
    rounds = max(1, int(options.messages * CASES[case].share) // options.batch)
    begin, cpu_begin = time.perf_counter(), _worker_cpu(process)
    _run(worker, batches, options.batch, rounds, options.ahead)
    seconds, cpu = time.perf_counter() - begin, _worker_cpu(process) - cpu_begin
    count = rounds * options.batch
    return f"{count / seconds:11,.0f} messages/s, {cpu / count * 1e6:6.2f} us of its CPU for each"


def _attach(path: Path, case: str) -> Peer:
    work = CASES[case].work
    control = Peer(path)
    control.send(Hello(list(frames.PROTOCOL_VERSIONS), "bench", work))
    welcome = control.receive()
    assert isinstance(welcome, Welcome)
    while not (isinstance(state := control.receive(), WorkerState) and state.state == "ready"):
        assert not (isinstance(state, WorkerState) and state.state == "failed"), state
    worker = Peer(path)
    worker.control = control
    worker.send(Attach(welcome.session, 0))
    if work.transforming is not None and work.transforming.is_request:
        worker.send(Revisions([(True, spec) for spec in transformations.specs().values()]))
    return worker


def _run(worker: Peer, batches: list[bytes], size: int, rounds: int, ahead: int) -> None:
    """Sends the same batches again and again, with a few of them under way."""
    free = threading.Semaphore(ahead)

    def send() -> None:
        for number in range(rounds):
            free.acquire()
            worker.socket.sendall(batches[number % len(batches)])

    sender = threading.Thread(target=send)
    sender.start()
    answered = 0
    for finished in range(1, rounds + 1):
        while answered < finished * size:
            results = worker.receive()
            assert isinstance(results, Results)
            answered += len(results.outcomes)
        free.release()
    sender.join()


def _worker_cpu(runtime: subprocess.Popen[bytes]) -> float:
    """Seconds that the runtime's only child has run."""
    children = Path(f"/proc/{runtime.pid}/task/{runtime.pid}/children").read_text().split()
    return int(Path(f"/proc/{children[0]}/schedstat").read_text().split()[0]) / 1e9


def _batches(data: bytes, size: int, count: int) -> list[bytes]:
    records: list[Record] = [
        (0, offset, 1_780_000_000_000, 1, b"key-%d" % (offset % 1000), data, None) for offset in range(size * count)
    ]
    parts = [records[begin : begin + size] for begin in range(0, len(records), size)]
    return [frames.encode(Batch(number, [("readings", 0)], part)) for number, part in enumerate(parts, 1)]


@contextmanager
def _runtime(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    path = directory / "runtime.sock"
    path.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "kafkatrigger.runtime", "--socket", str(path), "--workers", "1"],
        env={**os.environ, "PYTHONPATH": str(directory), "KAFKATRIGGER_LOG_LEVEL": "ERROR"},
    )
    try:
        while not path.exists():
            time.sleep(0.01)
        yield process, path
    finally:
        process.kill()
        process.wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="all unless some are named")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--ahead", type=int, default=8, help="batches under way")
    return parser.parse_args()


if __name__ == "__main__":
    main()
