"""An assigned partition."""

import msgspec

from kafkatrigger.consumer.offsets import Position, Ranges


class Partition(msgspec.Struct, eq=False):
    """One assignment of one partition. A later assignment of the same partition is another object, so an answer that
    comes late, for messages of an assignment that ended, is recognised by `revoked`.
    """

    topic: str
    number: int
    end: int
    """Everything below was read: the next offset to read is this or higher."""
    reason: str
    """Why it started where it did."""
    known: Ranges = []
    """Offsets above `end` that were terminal already when it was assigned: they are not run again."""
    told: Position | None = None
    """What the broker was told last; None when it has to be told again."""
    committed: int | None = None
    """The watermark that the broker acknowledged last."""
    revoked: bool = False

    @property
    def name(self) -> str:
        return f"{self.topic}-{self.number}"

    def advance(self, offset: int) -> bool:
        """Whether the message at this offset has to be run; offsets come in ascending order."""
        if offset < self.end:
            return False
        self.end = offset + 1
        while self.known and self.known[0][1] <= offset:
            del self.known[0]
        return not (self.known and self.known[0][0] <= offset)
