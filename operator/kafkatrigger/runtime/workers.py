"""A worker that is kept alive: whenever its process ends, the consumer learns why and another one is started."""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable
from typing import Literal

from kafkatrigger.api.frames import Work, WorkerExited, WorkerState

from .loading import what_runs
from .memory import kernel_kills
from .notices import Notice, overrun
from .process import WorkerProcess, describe_exit
from .progress import Running, Stopwatch

FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0
CANCEL_SECONDS = 2.0
"""What an event loop has, after the timeout of a message, to cancel it and go on."""
State = Literal["loading", "ready", "failed"]
Suspects = list[tuple[int, int]]
log = logging.getLogger("kafkatrigger.runtime")


class Worker:
    """One of the numbered workers of a session, whichever process it is at the moment."""

    def __init__(
        self, number: int, work: Work, trigger: str, tell: Callable[[WorkerState | WorkerExited], None]
    ) -> None:
        self.state = WorkerState(number, "loading")
        self._number = number
        self._work = work
        self._trigger = trigger
        self._tell = tell
        self._process: WorkerProcess | None = None
        self._loaded: State = "loading"
        """How far the present process came; `state` also remembers why the one before failed."""
        self._connections = 0
        self._killed = False
        self._verdict: WorkerExited | None = None
        """Why we killed the process; None as well where the consumer need not know."""
        self._stopwatch = Stopwatch()
        self._grace = 0.0
        self._failures = 0
        self._kernel_kills = kernel_kills()

    async def keep(self) -> None:
        """Runs one process after the other; those that came to no message at all with growing delays."""
        while True:
            try:
                await self._run_process()
            except OSError as error:
                self._failures += 1
                self._set_state("failed", f"a worker process cannot be started: {error}")
            await asyncio.sleep(_delay(self._failures))

    @property
    def pid(self) -> int | None:
        """Of its process, unless that is gone or about to be."""
        return self._process.pid if self._process and not self._killed else None

    def hand_over(self, connection: socket.socket) -> bool:
        """Gives a connection to the process; False when that is not ready for one."""
        if self._process is None or self._killed or self._loaded != "ready":
            return False
        try:
            self._process.hand_over(connection)
        except OSError:  # it has just ended
            return False
        self._connections += 1
        return True

    def replace_unless_idle(self) -> None:
        """For a new session: a process that may still run messages of the old one is replaced by a fresh one."""
        if self._connections:
            self.state = WorkerState(self._number, "loading")
            self._kill(None)

    def check_timeout(self) -> None:
        """Ends the process if a message has run for longer than it may."""
        if self._process is None or self._killed:
            return
        timeout, now = self._work.timeout_ms / 1000, time.monotonic()
        running = self._process.progress.running()
        if self._stopwatch.overdue(running, now, timeout + self._grace):
            blocking = self._process.progress.blocking()
            guilty = [blocking] if blocking else self._stopwatch.overdue(running, now, timeout)
            sentence = overrun(timeout) + (", and did not let itself be cancelled" if self._grace else "")
            self._kill(WorkerExited(self._number, "Timeout", sentence, _suspects(guilty)))

    def end(self) -> None:
        """Ends the process because the consumer said so: nothing that it runs is to blame."""
        if self._process and not self._killed:
            self._kill(WorkerExited(self._number, "Ended", "the consumer had it ended", []))

    def end_for_memory(self, sentence: str) -> None:
        """Ends the process before the kernel ends the container."""
        if self._process and not self._killed:
            self._kill(WorkerExited(self._number, "OutOfMemory", sentence, _suspects(self._process.progress.running())))

    def _kill(self, verdict: WorkerExited | None) -> None:
        self._killed, self._verdict = True, verdict
        if self._process:
            self._process.kill()

    async def _run_process(self) -> None:
        self._loaded, self._connections, self._killed, self._verdict = "loading", 0, False, None
        self._stopwatch, self._grace = Stopwatch(), 0.0
        self._process = process = await WorkerProcess.start(self._number, self._work, self._trigger)
        listening = asyncio.create_task(self._listen(process))
        try:
            status = await process.wait()
            await asyncio.wait([listening], timeout=1)  # for what it said last
        finally:
            self._process = None
            process.kill()
            listening.cancel()
            await asyncio.wait([listening])
            await process.wait()
            process.close()
        self._conclude(process, status)

    async def _listen(self, process: WorkerProcess) -> None:
        try:
            async for notice in process.notices():
                self._take(notice)
        except OSError:
            log.debug("worker %d closed its channel", self._number)

    def _take(self, notice: Notice) -> None:
        if notice.state == "detached":
            self._connections -= 1
        elif not self._killed:
            self._loaded = notice.state
            self._grace = CANCEL_SECONDS if notice.is_async else 0.0
            self._set_state(notice.state, notice.message, notice.concurrency)

    def _conclude(self, process: WorkerProcess, status: int) -> None:
        """Draws the conclusions from the end of a process."""
        self._failures = 0 if process.progress.has_begun or self._replaced else self._failures + 1
        if self._replaced or self._loaded == "failed":
            return
        exited = self._exited(process, status)
        log.warning("worker %d: %s", self._number, exited.message, extra={"reason": exited.reason})
        self._tell(exited)
        if self._loaded == "ready":
            self._set_state("loading")
        else:
            self._set_state("failed", f"while {what_runs(self._work)} was loaded, {exited.message}")

    @property
    def _replaced(self) -> bool:
        return self._killed and self._verdict is None

    def _exited(self, process: WorkerProcess, status: int) -> WorkerExited:
        still_running = _suspects(process.progress.running())
        if self._verdict is not None:
            # A message that finished between our look at the table and the kill is not to blame.
            self._verdict.suspects = [each for each in self._verdict.suspects if each in still_running]
            return self._verdict
        kills, self._kernel_kills = self._kernel_kills, kernel_kills()
        if status == -signal.SIGKILL and self._kernel_kills > kills:
            sentence = f"the kernel ended the worker for lack of memory: {ADVICE}"
            return WorkerExited(self._number, "OutOfMemory", sentence, still_running)
        return WorkerExited(self._number, "WorkerCrashed", f"the worker {describe_exit(status)}", still_running)

    def _set_state(self, state: State, message: str = "", concurrency: int = 1) -> None:
        """Tells what is new. A failure stands until a process is ready, however often it is tried in between."""
        if (state, message) == (self.state.state, self.state.message):
            return
        self.state = WorkerState(self._number, state, message, concurrency)
        level = logging.WARNING if state == "failed" else logging.INFO
        log.log(level, "worker %d: %s", self._number, f"{state}: {message}" if message else state)
        self._tell(self.state)


ADVICE = "raise spec.runtime.resources.limits.memory, lower spec.runtime.workers or have the function use less"


def _delay(failures: int) -> float:
    return min(FIRST_DELAY * 2.0 ** (failures - 1), LONGEST_DELAY) if failures else 0


def _suspects(running: list[Running]) -> Suspects:
    return [(each.batch, each.index) for each in running]
