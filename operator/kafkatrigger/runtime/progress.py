"""What a worker is running at this moment, in memory that it shares with the supervisor.

A worker that hangs or dies cannot say what it was running, so it notes that down before. A note is one aligned 8-byte
word, which no reader ever sees half written: the start in monotonic nanoseconds with its low bits replaced by the
index of the record. Zero means that nothing runs.

Each slot holds one running message. A synchronous function uses slot 0 alone; the others are for messages that wait
side by side in one worker.
"""

import mmap
import os
import tempfile
from dataclasses import dataclass

SLOTS = 1024
INDEX_BITS = 25
"""Enough for the most records that a frame of MAX_FRAME bytes can hold."""
START_MASK = -1 << INDEX_BITS
GRANULARITY_NS = 1 << INDEX_BITS
"""A start reads up to this much (34 ms) too early."""

_BATCHES = SLOTS
_BATCHES_BEGUN = 2 * SLOTS
_WORDS = 2 * SLOTS + 1
_SIZE = _WORDS * 8


@dataclass(frozen=True)
class Running:
    """A message that was started and not finished."""

    batch: int
    index: int
    started_ns: int


class Progress:
    """The table, as seen by either side. Only the worker writes."""

    def __init__(self, descriptor: int) -> None:
        self.words = memoryview(mmap.mmap(descriptor, _SIZE)).cast("q")
        """The worker's loop notes a start with `words[slot] = now_ns & START_MASK | index`; a call would be dear."""

    def begin(self, batch: int, slot: int = 0) -> None:
        """Notes the batch that the starts to come belong to; nothing runs in the slot yet."""
        self.words[slot] = 0
        self.words[_BATCHES + slot] = batch
        self.words[_BATCHES_BEGUN] += 1

    def clear(self, slot: int = 0) -> None:
        """Notes that nothing runs in the slot."""
        self.words[slot] = 0

    @property
    def has_begun(self) -> bool:
        """Whether any batch ever reached the worker."""
        return self.words[_BATCHES_BEGUN] > 0

    def running(self) -> list[Running]:
        """What runs now, or ran when the worker died."""
        words = self.words
        running = []
        for slot, word in enumerate(words[:SLOTS].tolist()):
            if word:
                batch = words[_BATCHES + slot]
                # A worker that moved on in between may have replaced the batch.
                if words[slot] == word:
                    running.append(Running(batch, word & ~START_MASK, word & START_MASK))
        return running


def create_table() -> int:
    """A descriptor of an empty table; it has no name, so it vanishes with the last process that holds it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("kafkatrigger-progress")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, _SIZE)
    return descriptor
