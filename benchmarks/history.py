"""What became of the messages, told from the responses alone: pure."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class History:
    """Takes the responses of a run, those of a partition in their order, and counts what is wrong with them.

    A violation is a first response to a message after one to a later message of its key; a duplicate any further response
    to a message, in whatever order, since what runs again after a crash runs again in order.
    """

    expected: Callable[[int], bool] | None = None
    """Which messages lead to a response; all of them without it."""

    responses: int = 0
    violations: int = 0
    duplicates: int = 0
    _seen: bytearray = field(default_factory=bytearray)
    _latest: dict[bytes, int] = field(default_factory=dict)

    def add(self, key: bytes, n: int) -> None:
        """The next response: to message n, which has this key."""
        self.responses += 1
        seen = self._seen
        if n >= len(seen):
            seen.extend(bytes(n + 1 + len(seen)))
        if seen[n]:
            self.duplicates += 1
            return
        seen[n] = 1
        if n < self._latest.get(key, -1):
            self.violations += 1
        else:
            self._latest[key] = n

    def has(self, n: int) -> bool:
        """Whether there was a response to message n."""
        return n < len(self._seen) and bool(self._seen[n])

    def losses(self, sent: int) -> int:
        """How many of the first `sent` messages should have a response and have none."""
        expected = self.expected
        return sum(1 for n in range(sent) if not self.has(n) and (expected is None or expected(n)))
