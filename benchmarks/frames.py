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
import threading
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
    """Prints one line: messages a second, and what each cost the worker, which other load on the machine hardly moves."""
    options = _options()
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "trivial.py").write_text(FUNCTION)
        with _runtime(Path(directory)) as (process, path):
            worker = _attach(path)
            batch = _batch(options.batch)
            _run(worker, batch, options.batch, 20, options.ahead)
            rounds = options.messages // options.batch
            begin, cpu_begin = time.perf_counter(), _worker_cpu(process)
            _run(worker, batch, options.batch, rounds, options.ahead)
            seconds, cpu = time.perf_counter() - begin, _worker_cpu(process) - cpu_begin
    count = rounds * options.batch
    print(
        f"{count / seconds:,.0f} messages/s through one worker, {cpu / count * 1e6:.2f} us of its CPU for each; "
        f"frames of {options.batch}, {options.ahead} ahead"
    )


def _attach(path: Path) -> Peer:
    control = Peer(path)
    control.send(Hello(list(frames.PROTOCOL_VERSIONS), "bench", WORK))
    welcome = control.receive()
    assert isinstance(welcome, Welcome)
    while control.receive() != WorkerState(0, "ready"):
        pass
    worker = Peer(path)
    worker.control = control
    worker.send(Attach(welcome.session, 0))
    return worker


def _run(worker: Peer, batch: bytes, size: int, rounds: int, ahead: int) -> None:
    """Sends the same batch again and again, with a few of them under way."""
    free = threading.Semaphore(ahead)

    def send() -> None:
        for _ in range(rounds):
            free.acquire()
            worker.socket.sendall(batch)

    sender = threading.Thread(target=send)
    sender.start()
    for _ in range(rounds):
        answered = 0
        while answered < size:
            results = worker.receive()
            assert isinstance(results, Results)
            answered += len(results.outcomes)
        free.release()
    sender.join()


def _worker_cpu(runtime: subprocess.Popen[bytes]) -> float:
    """Seconds that the runtime's only child has run."""
    children = Path(f"/proc/{runtime.pid}/task/{runtime.pid}/children").read_text().split()
    return int(Path(f"/proc/{children[0]}/schedstat").read_text().split()[0]) / 1e9


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
def _runtime(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    path = directory / "runtime.sock"
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
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--ahead", type=int, default=8, help="batches under way")
    return parser.parse_args()


if __name__ == "__main__":
    main()
