"""A queue of keys with the semantics of client-go's workqueue.

- A key that waits is not added twice.
- A key that is being processed and is added again is processed again afterwards, never twice at a time.
- `add_after` adds later; the earlier of two times wins. `retry` does so with a backoff that doubles per failure of that
  key, until `forget`.
"""

import asyncio
import random
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """For one event loop: every method but `get` returns at once and must be called in the loop."""

    def __init__(self, first_delay: float = 0.05, longest_delay: float = 60.0) -> None:
        self._first_delay, self._longest_delay = first_delay, longest_delay
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        self._processing: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._wakeup = asyncio.Event()

    def add(self, key: K) -> None:
        """Has the key processed as soon as somebody is free, and not before its present run ends."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._push(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Adds the key after that time, unless it is already due earlier."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + seconds:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def retry(self, key: K) -> float:
        """Adds the key after its backoff and returns the seconds until then."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay: float = min(self._longest_delay, self._first_delay * 2 ** min(failures, 30))
        delay *= random.uniform(0.8, 1.2)  # noqa: S311 - keys that failed together shall not return together
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Ends the key's backoff: it was processed well, or is gone."""
        self._failures.pop(key, None)

    def drop(self, key: K) -> None:
        """Forgets the key and when it would be due."""
        self.forget(key)
        if timer := self._timers.pop(key, None):
            timer.cancel()

    async def get(self) -> K:
        """The next key; `done` has to follow."""
        while not self._ready:
            self._wakeup.clear()
            await self._wakeup.wait()
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        return key

    def done(self, key: K) -> None:
        """The key's run is over; what was added in the meantime is queued now."""
        self._processing.discard(key)
        if key in self._dirty:
            self._push(key)

    def __len__(self) -> int:
        return len(self._ready)

    def _push(self, key: K) -> None:
        self._ready.append(key)
        self._wakeup.set()

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
