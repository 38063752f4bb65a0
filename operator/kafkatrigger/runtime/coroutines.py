"""Running messages through what takes many at once, on an event loop: a handler.

The messages of a lane queue up, and only the foremost of a queue may run. A *runner* is a task that owns one slot of the
progress table; it takes a message of one ready lane, then of the next, so no lane is favoured and there is one task for
each busy lane, not for each message. Unordered messages are lanes of one message each.
"""

import asyncio
import logging
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, time_ns
from typing import Final

import msgspec

from kafkatrigger.api.frames import Batch, Failed, FrameBuffer, FrameError, Outcome, Record, Revisions, Work

from .execution import NOT_RUN
from .failures import OUTCOME_BYTES, Failures
from .handlers import Handler, NewHandler
from .intake import Intake
from .lanes import Lane, Lanes
from .loading import Accepts
from .notices import overrun
from .outbox import Outbox
from .progress import Progress

SWEEP_SECONDS = 0.05
BLOCKED_SECONDS = 0.5
STREAK = 64
"""Messages that may run in a row without waiting, until the event loop gets to all else."""
WRITE_BUFFER = 4 << 20
_KEY: Final = 4
log = logging.getLogger("kafkatrigger.runtime")
_frames = msgspec.msgpack.Decoder(Batch | Revisions)

Job = tuple[Batch, int, int, Record]
"""A message: its batch, number in the progress table, index and record."""
Queue = tuple[Lane | None, deque[Job]]


class AsyncExecution:
    """A handler at work for one connection."""

    def __init__(
        self,
        work: Work,
        handler: Handler,
        accepts: Accepts | None,
        progress: Progress,
        outbox: Outbox,
        abort: Callable[[], None],
    ) -> None:
        self._timeout = work.timeout_ms / 1000
        self._handle, self._outcome = handler.run, handler.outcome
        self._progress = progress
        self._outbox = outbox
        self._abort = abort
        self._words = progress.words
        self._lanes = Lanes(work.ordering)
        self._held = self._lanes.held
        self._failures = Failures(work, self._lanes)
        self._intake = Intake(work, accepts)
        self._queues: dict[Lane, deque[Job]] = {}
        """Of busy lanes: those of which a message waits or runs."""
        self._ready: deque[Queue] = deque()
        self._free = list(range(handler.concurrency))
        self._runners: dict[int, asyncio.Task[None]] = {}
        self._started = [0.0] * handler.concurrency
        """When the message in each slot started; 0 where none runs."""
        self._cancelled: set[int] = set()
        self._starts = 0
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._sweeping = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        self._sweeps = 0

    def feed(self, batch: Batch) -> None:
        """Queues the records and starts what can start."""
        self._lanes.release(batch.sources, batch.released)
        base = self._progress.begin(batch)
        queues, ready, lane_of, sources = self._queues, self._ready, self._lanes.of, batch.sources
        for index, record in enumerate(batch.records):
            job = (batch, base + index, index, record)
            lane = lane_of(sources[record[0]], record[_KEY])
            if lane is None:
                ready.append((None, deque((job,))))
            elif (queue := queues.get(lane)) is not None:
                queue.append(job)
            else:
                queues[lane] = queue = deque((job,))
                ready.append((lane, queue))
        self._start_runners()

    async def close(self) -> None:
        """Cancels what runs, and waits for that; what does not let itself be cancelled is the supervisor's to end."""
        self._closing = True
        self._ready.clear()
        for queue in self._queues.values():
            queue.clear()
        runners = list(self._runners.values())
        for runner in runners:
            runner.cancel()
        await asyncio.gather(*runners, return_exceptions=True)
        self._sweeping.cancel()

    @property
    def beat(self) -> int:
        """Grows while no single message blocks the event loop."""
        return self._sweeps + self._starts

    def running_slot(self) -> int | None:
        """The slot whose message the event loop executes at this moment. For another thread."""
        current = asyncio.current_task(self._loop)
        return next((slot for slot, runner in self._runners.copy().items() if runner is current), None)

    def _start_runners(self) -> None:
        """Starts a few runners, and more of them when the event loop has got to all else."""
        for _ in range(min(STREAK, len(self._ready), len(self._free))):
            slot, queue = self._free.pop(), self._ready.popleft()
            self._runners[slot] = runner = self._loop.create_task(self._run(slot, queue))
            runner.add_done_callback(self._on_end)
        if self._ready and self._free:
            self._loop.call_soon(self._start_runners)

    def _on_end(self, runner: asyncio.Task[None]) -> None:
        """A runner ends when nothing is left to run. Should code of the user have cancelled it, the consumer must know."""
        if not self._closing and (runner.cancelled() or runner.exception() is not None):
            self._abort()

    async def _run(self, slot: int, queue: Queue) -> None:
        streak = 0
        while True:
            if self._outbox.is_full:
                await self._outbox.wait_for_room()
            lane, jobs = queue
            job = jobs.popleft()
            self._starts = start = self._starts + 1
            attempt = self._timed_attempt if job[0].timed else self._attempt
            self._outbox.add(job[0].id, job[2], await attempt(slot, job))
            if jobs:
                self._ready.append(queue)
            elif lane is not None:
                self._queues.pop(lane, None)
            streak = streak + 1 if self._starts == start else 0
            if streak > STREAK:
                streak = 0
                await asyncio.sleep(0)
            if not self._ready:
                break
            queue = self._ready.popleft()
        del self._runners[slot]
        self._free.append(slot)

    async def _timed_attempt(self, slot: int, job: Job) -> Outcome:
        """The same of a batch of which it is told when some of its messages ran."""
        batch, _, index, _ = job
        began = time_ns()
        outcome = await self._attempt(slot, job)
        if index in batch.timed:
            self._outbox.ran(batch.id, index, began, time_ns())
        return outcome

    async def _attempt(self, slot: int, job: Job) -> Outcome:
        """Runs one message to its outcome, whatever its code raises."""
        batch, number, _, record = job
        source = batch.sources[record[0]]
        if self._held and not self._lanes.admits(source, record[_KEY]):
            return NOT_RUN
        self._words[slot] = number
        self._started[slot] = monotonic()
        outcome: Outcome = None
        try:
            message = self._intake.message(source, record)
            if message is not None:
                outcome = self._outcome(await self._handle(message))
                if type(outcome) is not bytes or len(outcome) > OUTCOME_BYTES:
                    outcome = self._failures.bounded(outcome, source, record)
        except BaseException as error:
            if self._closing:
                raise
            _forget_cancellation()
            if slot not in self._cancelled:
                outcome = self._failures.of(error, source, record)
        finally:
            self._started[slot] = 0.0
            self._words[slot] = 0
        if self._cancelled and slot in self._cancelled:
            self._cancelled.discard(slot)
            _forget_cancellation()
            failure = Failed("Timeout", "TimeoutError", overrun(self._timeout), False)
            outcome = self._failures.note(failure, source, record)
        return outcome

    def _sweep(self) -> None:
        """Cancels what overran its timeout. Each message is told once."""
        self._sweeps += 1
        self._sweeping = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        begin = monotonic() - self._timeout
        for slot, runner in self._runners.items():
            if 0 < self._started[slot] <= begin and slot not in self._cancelled:
                self._cancelled.add(slot)
                runner.cancel()


def _forget_cancellation() -> None:
    """What the function's own timeouts and task groups look at begins anew with the next message."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


class BlockedLoop(threading.Thread):
    """Notes which message blocks the event loop, so that the supervisor can tell it from those that merely wait."""

    def __init__(self, execution: AsyncExecution, progress: Progress) -> None:
        super().__init__(name="blocked-loop", daemon=True)
        self._execution = execution
        self._progress = progress
        self._closed = threading.Event()

    def run(self) -> None:
        beat = -1
        while not self._closed.wait(BLOCKED_SECONDS):
            is_blocked = self._execution.beat == beat
            self._progress.note_blocking(self._execution.running_slot() if is_blocked else None)
            beat = self._execution.beat

    def close(self) -> None:
        """Ends the thread."""
        self._closed.set()
        self.join()
        self._progress.note_blocking(None)


class _Connection(asyncio.Protocol):
    """The connection to the consumer: batches in, results out."""

    def __init__(
        self, connection: socket.socket, work: Work, handler: Handler, accepts: Accepts | None, progress: Progress
    ) -> None:
        self._socket = connection
        self._handler = handler
        self._parameters = work, handler, accepts, progress
        self._buffer = FrameBuffer()
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.execution: AsyncExecution

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._transport = transport
        self._outbox = Outbox(self._send)
        self.execution = AsyncExecution(*self._parameters, self._outbox, transport.abort)

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._buffer.feed(data):
                self._take(_frames.decode(payload))
        except (FrameError, msgspec.DecodeError) as error:
            log.warning("a connection was closed", extra={"error": repr(error)})
            self._transport.abort()

    def _take(self, frame: Batch | Revisions) -> None:
        if isinstance(frame, Batch):
            self.execution.feed(frame)
        else:
            self._handler.update(frame)

    def _send(self, data: bytes) -> None:
        """Sends at once what the socket takes: a transport may wait until the messages at hand have run."""
        with suppress(OSError):  # BlockingIOError among them; the transport sees for itself what is wrong
            if not self._transport.get_write_buffer_size():
                data = data[self._socket.send(data) :]
        if data:
            self._transport.write(data)

    def pause_writing(self) -> None:
        self._outbox.pause()

    def resume_writing(self) -> None:
        self._outbox.resume()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set_result(error)


async def serve(
    connection: socket.socket, work: Work, new_handler: NewHandler, accepts: Accepts | None, progress: Progress
) -> None:
    """Runs batches until the consumer closes the connection."""
    connection.setblocking(False)
    _, protocol = await asyncio.get_running_loop().create_connection(
        lambda: _Connection(connection, work, new_handler(), accepts, progress), sock=connection
    )
    watch = BlockedLoop(protocol.execution, progress)
    watch.start()
    try:
        await protocol.closed
    finally:
        await protocol.execution.close()
        watch.close()
