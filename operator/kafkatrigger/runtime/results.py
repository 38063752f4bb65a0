"""Outcomes on their way back to the consumer."""

import socket
import threading
from contextlib import suppress

from kafkatrigger.api import frames
from kafkatrigger.api.frames import Outcome, Record, Results, Run

from .encode import outcome_size

EARLY_SECONDS = 0.005
FLUSH_BYTES = 1 << 20


class ResultStream:
    """Sends the outcomes of a batch, all at once or in parts.

    A part is sent at the end of the batch, where a part grows large, and by `EarlyResults` while a slow function runs,
    so that what is finished is known even if the next message never ends. The main thread only ever appends to the
    list of outcomes, so the lock is needed by whoever sends, not for each message.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._indexes: list[int] = []
        self._records: list[Record] = []
        self._runs: list[Run] = []
        self._batch = 0
        self._sent = 0
        self._unsent_bytes = 0
        self.batches = 0
        """How many have begun."""

    def begin(self, batch: int, records: list[Record]) -> list[Outcome]:
        """The list to append the outcomes of `records` to, in their order."""
        with self._lock:
            self._batch, self._records, self._outcomes, self._sent = batch, records, [], 0
            self._indexes, self._runs, self._unsent_bytes = [], [], 0
            self.batches += 1
            return self._outcomes

    def add(self, index: int, outcome: Outcome) -> None:
        """Takes the outcomes of a batch in any order, instead of appending to the list."""
        self._indexes.append(index)  # first, for the other thread takes as many of these as there are outcomes
        self._outcomes.append(outcome)
        self._unsent_bytes += outcome_size(outcome)
        if self._unsent_bytes > FLUSH_BYTES:
            self._unsent_bytes = 0
            self.flush()

    def ran(self, index: int, began: int, ended: int) -> None:
        """When a message ran, to be told before its outcome."""
        self._runs.append((index, began, ended))

    def flush(self) -> None:
        """Sends what was not sent yet."""
        with self._lock:
            part = self._outcomes[self._sent :] if self._sent else self._outcomes[:]
            if part:
                indexes = self._indexes[self._sent : self._sent + len(part)] or None
                runs = self._runs[:]
                del self._runs[: len(runs)]
                self._connection.sendall(frames.encode(Results(self._batch, self._sent, part, indexes, runs)))
                self._sent += len(part)

    def flush_early(self) -> None:
        """`flush` for the other thread. With the connection gone there is nobody to run the rest of the batch for.

        Emptying the list ends the main thread's loop over it after the message it is at.
        """
        try:
            self.flush()
        except OSError:
            self._records.clear()


class EarlyResults(threading.Thread):
    """Flushes every few milliseconds while a batch runs that takes longer than that; parked when none runs."""

    def __init__(self, results: ResultStream) -> None:
        super().__init__(name="early-results", daemon=True)
        self._results = results
        self._running = threading.Event()
        self._closed = threading.Event()

    def run(self) -> None:
        while self._running.wait() and not self._closed.is_set():
            batch = self._results.batches
            self._closed.wait(EARLY_SECONDS)
            if self._results.batches == batch:
                self._results.flush_early()

    def resume(self) -> None:
        """A batch begins."""
        self._running.set()

    def pause(self) -> None:
        """It ended."""
        self._running.clear()

    def close(self) -> None:
        """The connection ended: so does the thread."""
        self._closed.set()
        self._running.set()
        with suppress(RuntimeError):  # never started
            self.join()
