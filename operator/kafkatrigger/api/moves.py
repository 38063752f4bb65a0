"""Moving the offsets of a trigger's group: what is asked of the brokers, and what they answer.

The operator asks itself; the command line has it asked in a consumer's container (`python -m kafkatrigger.kafka.replay`),
so that it shows what the operator would do. Everything here can be a key of a dictionary.
"""

import msgspec

from kafkatrigger.api.commit_metadata import Metadata

MOST_PARTITIONS = 1000
"""Of one replay: the trigger's status lists them."""


class Wish(msgspec.Struct, frozen=True, rename="camel"):
    """Where partitions are to go."""

    topics: tuple[str, ...]
    """Source topics of the trigger."""
    start: str = ""
    """earliest, latest, epoch milliseconds or an RFC 3339 time, for all partitions of `topics`; empty: only `partitions`."""
    partitions: tuple[tuple[str, int, int], ...] = ()
    """Topic, partition, offset: wins over `start`."""
    pattern: str = ""
    """Instead of `topics`: those that it matches at the brokers."""


class Move(msgspec.Struct, frozen=True, rename="camel"):
    """One partition's way."""

    topic: str
    partition: int
    start: int
    """The offset that it goes to: the first that runs."""
    end: int
    """Where its log ends, of committed transactions: behind what the replay is about."""
    committed: int | None = None
    """Where the group is; None where it has committed nothing."""
    topic_id: str = ""
    """In hexadecimal digits; empty where the broker does not say."""
    parked: tuple[int, ...] = ()
    """Offsets of the failed messages that keys wait with, for a retry or a decision: a move forgets them."""


class Group(msgspec.Struct, frozen=True):
    """A consumer group and its brokers."""

    servers: tuple[str, ...]
    name: str
    namespace: str = ""
    """Set where a server's host is a name of one label, which means something else in each namespace."""


class Check(msgspec.Struct, frozen=True, tag=True):
    """Whether the wish can be met, and where everything would go; consumers may run."""

    group: Group
    wish: Wish


class Resolve(msgspec.Struct, frozen=True, tag=True):
    """The same of a group that nobody is in any more, which is waited for."""

    group: Group
    wish: Wish


class Apply(msgspec.Struct, frozen=True, tag=True):
    """Moves the group's offsets; its brokers refuse that while somebody is in it."""

    group: Group
    reason: str
    moves: tuple[Move, ...]


class Follow(msgspec.Struct, frozen=True, tag=True):
    """How far the group has come since."""

    group: Group
    moves: tuple[Move, ...]


class Empty(msgspec.Struct, frozen=True, tag=True):
    """Whether nobody is in the group."""

    group: Group


Errand = Check | Resolve | Apply | Follow | Empty


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    """What came of an errand: `refused` and `waiting` are sentences, both empty where all went well."""

    moves: tuple[Move, ...] = ()
    """Of Check, Resolve and Follow, in order of topic and partition."""
    refused: str = ""
    """Why the wish can never be met as it is, and what to do."""
    waiting: str = ""
    """Why not now: it is asked again."""
    moved: bool = False
    """The offsets of Apply are committed, every one of them."""


def metadata(reason: str, move: Move) -> Metadata:
    """Of the commit that moves a partition: of all messages from there on it says that they are to run."""
    return Metadata(reason, bytes.fromhex(move.topic_id))
