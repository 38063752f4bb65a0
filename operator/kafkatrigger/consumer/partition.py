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
    """Offsets above the start that were terminal already when it was assigned: they are not run again."""
    committed: Position | None = None
    """What the broker was told last; None when it has to be told again."""
    revoked: bool = False

    @property
    def name(self) -> str:
        return f"{self.topic}-{self.number}"
