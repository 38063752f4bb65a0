"""What a worker is running at this moment, in memory that it shares with the supervisor.

A worker that hangs or dies cannot say what it was running, so it notes that down before. A note is one aligned 8-byte
word, which no reader ever sees half written: a number that has the batch and index of the message in it, zero when none
runs. How long it runs is for the supervisor to see, which looks often enough and has the time to read a clock; so a
note costs the worker 0.05 microseconds.

Each slot holds one running message. A function that takes one message at a time uses slot 0 alone; the others are for
messages that run side by side in one worker.
"""

import mmap
import os
from dataclasses import dataclass

from kafkatrigger.api.frames import Batch, FrameError

from .nameless import nameless_file

SLOTS = 1024

# A number has, from its highest bit: 3 bits of the run, 40 of the batch, 20 of the index from 1.
_INDEX_BITS = 20
_BATCH_BITS = 40
_RUNS = 8

# One word for each slot, then two for all.
_BEGUN = SLOTS
_BLOCKING = SLOTS + 1
_SIZE = (SLOTS + 2) * 8


@dataclass(frozen=True)
class Running:
    """A message that was started and not finished."""

    number: int
    """Two runs of one message differ in it."""
    batch: int
    index: int


class Progress:
    """The table, as seen by either side. Only the worker writes."""

    def __init__(self, descriptor: int) -> None:
        self.words = memoryview(mmap.mmap(descriptor, _SIZE)).cast("q")
        """A start is noted with `words[slot] = base + index`, an end with 0; calling a method would be dear there."""

    def begin(self, batch: Batch) -> int:
        """Notes that messages have come, and returns the base of the batch's numbers."""
        if len(batch.records) >> _INDEX_BITS:
            raise FrameError(f"a batch of {len(batch.records)} records is larger than any consumer sends")
        self.words[_BEGUN] = 1
        return (batch.id % (1 << _BATCH_BITS) << _INDEX_BITS) + 1

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
        return self.words[_BEGUN] > 0

    def running(self) -> list[Running]:
        """What runs now, or ran when the worker died."""
        return [_running(number) for number in self.words[:SLOTS].tolist() if number]

    def blocking(self) -> Running | None:
        """What blocks the event loop, where the worker was able to tell."""
        noted = self.words[_BLOCKING]
        number = self.words[noted - 1] if noted else 0
        return _running(number) if number else None


def in_run(base: int, run: int) -> int:
    """The base of a batch for another run of its messages, of which seven can be told apart."""
    return base + (run % _RUNS << (_BATCH_BITS + _INDEX_BITS))


def _running(number: int) -> Running:
    batch = number >> _INDEX_BITS & ((1 << _BATCH_BITS) - 1)
    return Running(number, batch, (number & ((1 << _INDEX_BITS) - 1)) - 1)


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
    descriptor = nameless_file("kafkatrigger-progress")
    os.ftruncate(descriptor, _SIZE)
    return descriptor
