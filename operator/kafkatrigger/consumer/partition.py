"""An assigned partition."""

from typing import TYPE_CHECKING

import msgspec

from kafkatrigger.consumer.offsets import LaneId, Origin, Position
from kafkatrigger.consumer.samples import Samples

if TYPE_CHECKING:
    from kafkatrigger.consumer.lanes import Lane


class Partition(msgspec.Struct, eq=False):
    """One assignment of one partition. A later assignment of the same partition is another object, so an answer that
    comes late, for messages of an assignment that ended, is recognised by `revoked`.
    """

    topic: str
    number: int
    end: int
    """Everything below was read: the next offset to read is this or higher."""
    origin: Origin
    restored: Position
    """What the commit said from which it started: of what lies below its bound, only what is open is run."""
    is_redrive: bool = False
    """Its messages are copies of dead letters."""
    resumed: frozenset[LaneId] = frozenset()
    """Lanes at which the trigger stopped, under another configuration: they go on, before all others."""
    lanes: "dict[LaneId, Lane]" = msgspec.field(default_factory=dict)
    """That wait; the success path has none."""
    named: dict[int, LaneId] = msgspec.field(default_factory=dict)
    """The lanes of the messages in the open ranges of `restored` that were read since."""
    samples: Samples = msgspec.field(default_factory=Samples)
    """Times of what was read."""
    leader_epoch: int = -1
    """Of the last message read; -1 where it has none."""
    told: Position | None = None
    """What the broker was told last; None when it has to be told again."""
    committed: Position | None = None
    """What the broker acknowledged last."""
    commits_sent: int = 0
    commits_done: int = 0
    """The latest of the commits sent that the broker acknowledged, and with it all before."""
    processed: Position | None = None
    """As it is now, or was at the last look."""
    progressed_at: float = 0.0
    """When a message was last seen to have become terminal, on the monotonic clock; 0 before the first."""
    epoch: int = 0
    """Counts the assignments of this process."""
    revoked: bool = False

    def nothing_new(self) -> None:
        """A commit would say what the latest one did, which was acknowledged: it counts as sent and acknowledged."""
        self.commits_sent += 1
        self.commits_done = self.commits_sent

    @property
    def name(self) -> str:
        return f"{self.topic}-{self.number}"

    def facts(self, offset: int) -> dict[str, object]:
        """Where a log line is about, as fields of it."""
        return {"topic": self.topic, "partition": self.number, "offset": offset}
