"""Which messages have to wait because an earlier one of their lane failed."""

from kafkatrigger.api.frames import Ordering

Lane = tuple[str, int, bytes | None]


class Lanes:
    """The lanes that are held, and by what messages are assigned to lanes.

    A lane is a key of a partition, or a partition, or there are none, as the trigger's ordering says. The consumer
    has several batches under way: after a failure the later messages of the lane are in them already, and must not run
    before the consumer has decided about the first. It says so with a batch that resumes.
    """

    def __init__(self, ordering: Ordering) -> None:
        self._ordering = ordering
        self.held: set[Lane] = set()
        self._released: set[Lane] = set()

    def begin_batch(self) -> None:
        """Forgets which lanes the previous batch released."""
        self._released.clear()

    def admits(self, topic: str, partition: int, key: bytes | None, resume: bool) -> bool:
        """Whether the message may run; the first one of its lane in a batch that resumes releases the lane."""
        lane = self._lane(topic, partition, key)
        if lane is None:
            return True
        if resume and lane not in self._released:
            self._released.add(lane)
            self.held.discard(lane)
        return lane not in self.held

    def hold(self, topic: str, partition: int, key: bytes | None) -> None:
        """The message failed: whatever follows in its lane waits."""
        lane = self._lane(topic, partition, key)
        if lane is not None:
            self.held.add(lane)

    def _lane(self, topic: str, partition: int, key: bytes | None) -> Lane | None:
        if self._ordering == "Partition":
            return topic, partition, None
        if self._ordering == "Key" and key is not None:  # b"" is a key like any other
            return topic, partition, key
        return None
