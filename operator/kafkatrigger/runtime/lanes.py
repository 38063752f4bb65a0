"""Which messages have to wait because an earlier one of their lane failed."""

from kafkatrigger.api.frames import Ordering

Lane = tuple[str, int, bytes | None]


class Lanes:
    """The lanes that are held, and by what messages are assigned to lanes.

    A lane is a key of a partition, or a partition, or there are none, as the trigger's ordering says. The consumer
    has several batches under way: after a failure the later messages of the lane are in them already, and must not run
    before the consumer has decided about the first. A batch that was sent with all answers up to that failure known
    comes after its decision.
    """

    def __init__(self, ordering: Ordering) -> None:
        self._ordering = ordering
        self.held: dict[Lane, int] = {}
        """The batch in which a message of the lane last failed or was not run."""
        self._batch = 0

    def begin_batch(self, batch: int, seen: int) -> None:
        """Releases the lanes whose last answers the consumer had seen when it sent this batch."""
        self._batch = batch
        if self.held:
            for lane in [lane for lane, held in self.held.items() if held <= seen]:
                del self.held[lane]

    def admits(self, topic: str, partition: int, key: bytes | None) -> bool:
        """Whether the message may run; one that may not holds its lane as a failure does."""
        lane = self._lane(topic, partition, key)
        if lane is None or lane not in self.held:
            return True
        self.held[lane] = self._batch
        return False

    def hold(self, topic: str, partition: int, key: bytes | None) -> None:
        """The message failed: whatever follows in its lane waits."""
        lane = self._lane(topic, partition, key)
        if lane is not None:
            self.held[lane] = self._batch

    def _lane(self, topic: str, partition: int, key: bytes | None) -> Lane | None:
        if self._ordering == "Partition":
            return topic, partition, None
        if self._ordering == "Key" and key is not None:  # b"" is a key like any other
            return topic, partition, key
        return None
