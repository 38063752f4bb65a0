"""Steady traffic: the generator as a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.contestants import PROGRAMS


@contextmanager
def traffic(bootstrap: str, topic: str, rate: int, seconds: float, size: int) -> Iterator[subprocess.Popen[str]]:
    """Writes `rate` messages of `size` bytes a second for so many seconds; it prints how many it wrote."""
    arguments = [bootstrap, topic, str(rate), str(seconds), str(size)]
    command = [sys.executable, str(PROGRAMS / "generate.py"), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
