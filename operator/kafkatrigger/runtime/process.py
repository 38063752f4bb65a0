"""One worker process, as the supervisor holds it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec

from kafkatrigger.api.frames import Work

from .notices import HAND_OVER, Notice, Task
from .progress import Progress, create_table

_workers: set[int] = set()
_starting = 0


class WorkerProcess:
    """A process with what is shared with it: the channel for notices and connections, and the progress table."""

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket, progress: Progress) -> None:
        self._process = process
        self._channel = channel
        self._ended = False
        self.progress = progress

    @classmethod
    async def start(cls, number: int, work: Work, trigger: str) -> "WorkerProcess":
        """Starts a fresh interpreter in a session of its own, so that it can be ended with all that it starts."""
        global _starting
        channel, theirs = socket.socketpair()
        channel.setblocking(False)
        table = create_table()
        task = Task(os.getpid(), number, theirs.fileno(), table, work, trigger).as_file()
        _starting += 1
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "kafkatrigger.runtime.worker", str(task)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), table, task),
                start_new_session=True,
            )
            _workers.add(process.pid)
            return cls(process, channel, Progress(table))
        except BaseException:
            channel.close()
            raise
        finally:
            _starting -= 1
            theirs.close()
            os.close(table)
            os.close(task)

    @property
    def pid(self) -> int:
        """Of the process, and of its session and process group."""
        return self._process.pid

    async def notices(self) -> AsyncIterator[Notice]:
        """What the worker says, until it ends."""
        loop, text = asyncio.get_running_loop(), b""
        while data := await loop.sock_recv(self._channel, 65536):
            *lines, text = (text + data).split(b"\n")
            for line in lines:
                yield msgspec.json.decode(line, type=Notice)

    def hand_over(self, connection: socket.socket) -> None:
        """Gives a connection to the worker, which serves it once it is done with the one before."""
        socket.send_fds(self._channel, [HAND_OVER], [connection.fileno()])

    def kill(self) -> None:
        """Ends the process and what it started."""
        if not self._ended:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def wait(self) -> int:
        """The exit status (negative: the signal), once neither the process nor what it started is left."""
        status = await self._process.wait()
        self.kill()
        self._ended = True  # from now on the number may be another's
        _workers.discard(self.pid)
        return status

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()


def describe_exit(status: int) -> str:
    """`was killed by SIGSEGV`, `ended with exit code 3`."""
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def reap_orphans() -> None:
    """Takes leave of what dead workers had started: the first process of a container inherits it, and has to."""
    if _starting:  # a process that is not among the workers yet is no orphan
        return
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in _workers:
            os.waitpid(ended.si_pid, 0)
