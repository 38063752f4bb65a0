"""Simulated time: it passes only when somebody waits, and what was scheduled happens on the way."""

import heapq
from collections.abc import Callable

EPOCH = 1_800_000_000.0
"""Seconds since the epoch at which every world begins."""


class Clock:
    """`now` is the monotonic clock, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return EPOCH + self.now

    def sleep(self, seconds: float) -> None:
        self.wait(seconds)

    def schedule(self, delay: float, action: Callable[[], None]) -> None:
        """Has it done after so many seconds; what is due at the same time is done in the order of scheduling."""
        self._number += 1
        heapq.heappush(self._due, (self.now + delay, self._number, action))

    def wait(self, seconds: float, until: Callable[[], object] = lambda: False) -> None:
        """Lets time pass, at most until there is what was waited for."""
        deadline = self.now + seconds
        while not until() and self._due and self._due[0][0] <= deadline:
            when, _, action = heapq.heappop(self._due)
            self.now = max(self.now, when)
            action()
        if not until():
            self.now = max(self.now, deadline)
