"""Outcomes of an event loop on their way back to the consumer: in any order, many in a frame."""

import asyncio
from collections.abc import Callable
from time import monotonic

from kafkatrigger.api import frames
from kafkatrigger.api.frames import Outcome, Results, Run

from .encode import outcome_size
from .results import EARLY_SECONDS, FLUSH_BYTES

INTERVAL = 0.003
"""Seconds between two sendings, at least: under load a frame carries what finished in that time."""


class Outbox:
    """Collects outcomes and sends them soon: at once after a rest, else with those that finish in the same interval.

    The timer for that is late when the event loop is busy, and so the next outcome looks at the clock as well.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._parts: dict[int, tuple[list[int], list[Outcome]]] = {}
        self._runs: dict[int, list[Run]] = {}
        self._bytes = 0
        self._last = self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._room = asyncio.Event()
        self._room.set()
        self.is_full = False
        """The consumer does not read what was sent: nothing more should be started."""

    def ran(self, batch: int, index: int, began: int, ended: int) -> None:
        """When a message ran, to be told before its outcome."""
        self._runs.setdefault(batch, []).append((index, began, ended))

    def add(self, batch: int, index: int, outcome: Outcome) -> None:
        """Takes the outcome of one message."""
        part = self._parts.get(batch)
        if part is None:
            self._parts[batch] = part = ([], [])
            if self._timer is None:
                self._timer = self._loop.call_at(self._last + INTERVAL, self.flush)
                self._due = monotonic() + EARLY_SECONDS
        part[0].append(index)
        part[1].append(outcome)
        self._bytes += len(outcome) if type(outcome) is bytes else outcome_size(outcome)
        if self._bytes > FLUSH_BYTES or monotonic() > self._due:
            self.flush()

    def flush(self) -> None:
        """Sends what there is, of earlier batches first: what of a lane is in several of them is answered in its order."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        parts, self._parts, self._bytes, self._last = self._parts, {}, 0, self._loop.time()
        if parts:
            runs, self._runs = self._runs, {}
            results = [
                Results(batch, indexes[0], outcomes, indexes, runs.get(batch, []))
                for batch, (indexes, outcomes) in sorted(parts.items())
            ]
            self._write(b"".join(map(frames.encode, results)))

    def pause(self) -> None:
        """Too much waits to be read by the consumer."""
        self.is_full = True
        self._room.clear()

    def resume(self) -> None:
        """It reads again."""
        self.is_full = False
        self._room.set()

    async def wait_for_room(self) -> None:
        """Returns when the consumer reads again."""
        await self._room.wait()
