"""What a worker is running at this moment, in memory that it shares with the supervisor.

A worker that hangs or dies cannot say what it was running, so it notes that down before. A note is one aligned 8-byte
word, which no reader ever sees half written: the number of the message among all that the process has started, zero
when none runs. How long it runs is for the supervisor to see, which looks often enough and has the time to read a
clock; so a note costs the worker 0.05 microseconds.

Each slot holds one running message. A function that takes one message at a time uses slot 0 alone; the others are for
messages that run side by side in one worker.
"""

import mmap
import os
import tempfile
from dataclasses import dataclass

SLOTS = 1024

# Three words for each slot, then two for all.
_BATCHES = SLOTS
_BASES = 2 * SLOTS
_STARTED = 3 * SLOTS
_BLOCKING = 3 * SLOTS + 1
_SIZE = (3 * SLOTS + 2) * 8


@dataclass(frozen=True)
class Running:
    """A message that was started and not finished."""

    number: int
    """Among all that the process started: two runs of one message differ in it."""
    batch: int
    index: int


class Progress:
    """The table, as seen by either side. Only the worker writes."""

    def __init__(self, descriptor: int) -> None:
        self.words = memoryview(mmap.mmap(descriptor, _SIZE)).cast("q")
        """The worker's loop notes a start with `words[slot] = base + index`; calling a method would be dear there."""

    def begin(self, batch: int, size: int, slot: int = 0) -> int:
        """Notes the batch that the starts to come belong to, and returns its base. Nothing runs in the slot yet."""
        words, base = self.words, self.reserve(size)
        words[slot] = 0
        words[_BATCHES + slot] = batch
        words[_BASES + slot] = base
        return base

    def reserve(self, size: int) -> int:
        """The first of so many numbers that no message has had yet."""
        base = self.words[_STARTED] + 1
        self.words[_STARTED] += size
        return base

    def start(self, slot: int, batch: int, base: int, index: int) -> None:
        """Notes the start of one message in a slot: for functions that run several at once."""
        words = self.words
        words[slot] = 0  # no reader takes the number of one batch for another's
        words[_BATCHES + slot] = batch
        words[_BASES + slot] = base
        words[slot] = base + index

    def clear(self, slots: int = 1) -> None:
        """Notes that nothing runs in the first slots."""
        for slot in range(slots):
            self.words[slot] = 0

    def note_blocking(self, slot: int | None) -> None:
        """Notes whose message keeps the event loop from running anything else."""
        self.words[_BLOCKING] = 0 if slot is None else slot + 1

    @property
    def has_begun(self) -> bool:
        """Whether any message ever reached the worker."""
        return self.words[_STARTED] > 0

    def running(self) -> list[Running]:
        """What runs now, or ran when the worker died."""
        slots = [slot for slot, number in enumerate(self.words[:SLOTS].tolist()) if number]
        return [running for slot in slots if (running := self._running_in(slot)) is not None]

    def blocking(self) -> Running | None:
        """What blocks the event loop, where the worker was able to tell."""
        noted = self.words[_BLOCKING]
        return self._running_in(noted - 1) if noted else None

    def _running_in(self, slot: int) -> Running | None:
        words, number = self.words, self.words[slot]
        batch, index = words[_BATCHES + slot], number - words[_BASES + slot]
        # If the number is another by now, the worker has moved on, perhaps to another batch.
        return Running(number, batch, index) if number and words[slot] == number else None


class Stopwatch:
    """Since when messages have been running, as seen at each look: never earlier than they started."""

    def __init__(self) -> None:
        self._seen: dict[Running, float] = {}

    def overdue(self, running: list[Running], now: float, timeout: float) -> list[Running]:
        """Those of `running` that were seen `timeout` seconds ago already."""
        self._seen = {each: self._seen.get(each, now) for each in running}
        return [each for each, since in self._seen.items() if now - since >= timeout]


def create_table() -> int:
    """A descriptor of an empty table; it has no name, so it vanishes with the last process that holds it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("kafkatrigger-progress")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, _SIZE)
    return descriptor
