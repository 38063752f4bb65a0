"""Which messages have to wait because an earlier one of their lane failed."""

from collections.abc import Iterable

from kafkatrigger.api.frames import Ordering

Lane = tuple[str, int, bytes | None]


class Lanes:
    """The lanes that are held, and by what messages are assigned to lanes.

    A lane is a key of a partition, or a partition, or there are none, as the trigger's ordering says. The consumer
    has several batches under way: after a failure the later messages of the lane are in them already, and must not run
    before the consumer has decided about the first. It names the lane in `released` when it has, and when all that was
    under way of the lane was answered; so no more lanes are held than have messages under way or awaiting a decision.
    """

    def __init__(self, ordering: Ordering) -> None:
        self._ordering = ordering
        self.held: set[Lane] = set()

    def release(self, sources: list[tuple[str, int]], released: Iterable[tuple[int, bytes | None]]) -> None:
        """Lets lanes go on, which a batch names by index into its sources and key; those not held are ignored."""
        for source, key in released:
            if 0 <= source < len(sources):
                self.held.discard((*sources[source], key))

    def admits(self, source: tuple[str, int], key: bytes | None) -> bool:
        """Whether a message of this topic, partition and key may run."""
        return not self.held or self.of(source, key) not in self.held

    def hold(self, source: tuple[str, int], key: bytes | None) -> None:
        """The message failed: whatever follows in its lane waits."""
        lane = self.of(source, key)
        if lane is not None:
            self.held.add(lane)

    def of(self, source: tuple[str, int], key: bytes | None) -> Lane | None:
        """The lane of a message; None where nothing has to wait for it."""
        if self._ordering == "Partition":
            return (*source, None)
        if self._ordering == "Key" and key is not None:  # b"" is a key like any other
            return (*source, key)
        return None
