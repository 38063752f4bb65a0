"""Starts programs that outlive this one, and ends exactly those again.

What identifies a process is written next to its id: its start time and its command line. An id that was given to
another program in the meantime is never signalled.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .errors import ClusterError
from .waiting import holds_within

_LINES_SHOWN = 20


@dataclass(frozen=True)
class Process:
    """A running program."""

    pid: int
    started: int
    """Clock ticks between the machine's boot and its start: with the pid, unique until the next boot."""
    command: list[str]

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process of this id, or None when there is none, or only its exit code is left."""
        folder = Path(f"/proc/{pid}")
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_text().rstrip("\0").split("\0")
            # A killed program is a zombie while its other threads still end, and until then it holds its ports.
            ended = stat[0] in "ZX" and len(list((folder / "task").iterdir())) <= 1
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if ended else cls(pid, int(stat[19]), command)

    @classmethod
    def all(cls) -> "Iterator[Process]":
        """Every process of the machine."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (process := cls.of(int(entry.name))):
                yield process

    @property
    def program(self) -> str:
        return Path(self.command[0]).name

    def mentions(self, folder: Path) -> bool:
        """Whether its command line speaks of something in this folder, which tells ours from others."""
        return any(f"{folder}/" in word for word in self.command[1:])

    def runs(self) -> bool:
        found = Process.of(self.pid)
        # For a moment after its start a program has no command line.
        return found is not None and found.started == self.started and found.command in (self.command, [""])

    def signal(self, number: signal.Signals) -> None:
        if self.runs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, seconds: float = 10) -> None:
        """Asks it to stop, insists after `seconds`, and returns when it is gone."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        if not self._gone_within(seconds):
            self.kill()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        if not self._gone_within(10):
            raise ClusterError(f"process {self.pid} ({self.command[0]}) does not end")

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.runs():
            _reap(self.pid)
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


@dataclass(frozen=True)
class Daemon:
    """A program with a name, whose identity and log are files of `folder`."""

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log" / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "pid" / f"{self.name}.json"

    def start(self, command: Sequence[str | Path]) -> Process:
        for folder in (self.log.parent, self._pid_file.parent):
            folder.mkdir(parents=True, exist_ok=True)
        words = [str(part) for part in command]
        process = Process.of(self._spawn(words))
        if process is None:
            raise self.failure("ended at once")
        process = replace(process, command=words)
        self._pid_file.write_text(json.dumps(asdict(process)))
        return process

    def _spawn(self, command: list[str]) -> int:
        # Not subprocess.Popen: it warns when it is forgotten while its process runs, and that is what daemons do.
        output = (os.POSIX_SPAWN_OPEN, 1, str(self.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), output, (os.POSIX_SPAWN_DUP2, 1, 2)]
        try:
            return os.posix_spawnp(command[0], command, _environment(), file_actions=files, setsid=True)
        except FileNotFoundError as error:
            raise ClusterError(f"{command[0]} is not installed", f"install {command[0]} and try again") from error

    def process(self) -> Process | None:
        """What was started under this name, when it still runs."""
        try:
            process = Process(**json.loads(self._pid_file.read_text()))
        except (FileNotFoundError, ValueError):
            return None
        _reap(process.pid)
        return process if process.runs() else None

    def stop(self, seconds: float = 10) -> None:
        if process := self.process():
            process.end(seconds)
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        if process := self.process():
            process.kill()
        self._pid_file.unlink(missing_ok=True)

    def failure(self, what: str) -> ClusterError:
        tail = self.log.read_text(errors="replace").splitlines()[-_LINES_SHOWN:] if self.log.exists() else []
        return ClusterError("\n".join([f"{self.name} {what}", *(f"    {line}" for line in tail)]), log=self.log)

    def wait(self, ready: Callable[[], bool], seconds: float) -> None:
        """Returns when `ready()` holds; raises `ClusterError` with the end of the log when the process ends before."""

        def ready_or_dead() -> bool:
            if self.process() is None:
                raise self.failure("ended before it was ready")
            return ready()

        if not holds_within(seconds, ready_or_dead):
            raise self.failure(f"was not ready within {seconds:.0f} s")


def _environment() -> dict[str, str]:
    """Ours without a proxy: what these programs talk to is on this machine."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def _reap(pid: int) -> None:
    """Takes the exit code of an ended child of ours, which would stay as a zombie otherwise."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
