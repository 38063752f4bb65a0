"""How fast one worker is: messages a second over its socket, for a trivial function on JSON of about 150 bytes.

    python benchmarks/frames.py [--messages N] [--batch N] [--ahead N]

It plays the consumer, but only encodes and decodes frames, so what it measures is the runtime.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

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
    Welcome,
    Work,
    WorkerState,
)

FUNCTION = """
def handler(message):
    reading = message.value
    reading["result"] = reading["value"] * 2
    return reading
"""
WORK = Work("trivial:handler", "JSON", "String", "Key", 30_000, False)


class Peer:
    """A blocking connection that speaks frames."""

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
    """Prints one line: messages a second."""
    options = _options()
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "trivial.py").write_text(FUNCTION)
        with _runtime(Path(directory)) as path:
            rate = _rate(path, options.batch, options.messages, options.ahead)
    print(f"{rate:,.0f} messages/s through one worker, frames of {options.batch}, {options.ahead} ahead")


def _rate(path: Path, size: int, messages: int, ahead: int) -> float:
    control = Peer(path)
    control.send(Hello(list(frames.PROTOCOL_VERSIONS), "bench", WORK))
    welcome = control.receive()
    assert isinstance(welcome, Welcome)
    while control.receive() != WorkerState(0, "ready"):
        pass
    worker = Peer(path)
    worker.send(Attach(welcome.session, 0))
    batch = _batch(size)
    _run(worker, batch, size, 20, ahead)
    rounds = messages // size
    begin = time.perf_counter()
    _run(worker, batch, size, rounds, ahead)
    return rounds * size / (time.perf_counter() - begin)


def _run(worker: Peer, batch: bytes, size: int, rounds: int, ahead: int) -> None:
    """Sends the same batch again and again, with a few of them under way."""
    sent = answered = 0
    while answered < rounds:
        while sent < rounds and sent - answered < ahead:
            worker.socket.sendall(batch)
            sent += 1
        results = worker.receive()
        assert isinstance(results, Results)
        answered += results.first + len(results.outcomes) == size


def _batch(size: int) -> bytes:
    value = {
        "id": 12345678,
        "time": "2026-06-01T12:00:00.000Z",
        "value": 21.5,
        "unit": "C",
        "sensor": "plant-7/line-3/",
    }
    value["note"] = "x" * (150 - len(orjson.dumps(value)) - 10)
    data = orjson.dumps(value)
    records: list[Record] = [
        (0, offset, 1_780_000_000_000, 1, b"key-%d" % (offset % 1000), data, None) for offset in range(size)
    ]
    return frames.encode(Batch(1, [("readings", 0)], records))


@contextmanager
def _runtime(directory: Path) -> Iterator[Path]:
    path = directory / "runtime.sock"
    process = subprocess.Popen(
        [sys.executable, "-m", "kafkatrigger.runtime", "--socket", str(path), "--workers", "1"],
        env={**os.environ, "PYTHONPATH": str(directory), "KAFKATRIGGER_LOG_LEVEL": "ERROR"},
    )
    try:
        while not path.exists():
            time.sleep(0.01)
        yield path
    finally:
        process.kill()
        process.wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--ahead", type=int, default=8, help="batches under way")
    return parser.parse_args()


if __name__ == "__main__":
    main()
