"""Which time the messages around an offset have: a few samples of what was read, for the checkpoint."""

LIMIT = 256
"""Samples of a partition whose watermark does not move; beyond it every other one is forgotten."""


class Samples:
    """Offsets with the timestamps of their messages, ascending by offset; false while there are none."""

    def __init__(self) -> None:
        self._offsets: list[int] = []
        self._timestamps: list[int] = []

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, offset: int, timestamp: int) -> None:
        """Called for the first message of all, and for the last of each run; `timestamp` in milliseconds."""
        self._offsets.append(offset)
        self._timestamps.append(timestamp)
        if len(self._offsets) > LIMIT:
            # The first stays: it may be the only one below the watermark.
            del self._offsets[1::2], self._timestamps[1::2]

    def below(self, offset: int) -> int | None:
        """The timestamp of the last sample below the offset, None where there is none. Forgets those before it."""
        count = sum(1 for each in self._offsets if each < offset)
        if not count:
            return None
        del self._offsets[: count - 1], self._timestamps[: count - 1]
        return self._timestamps[0]
