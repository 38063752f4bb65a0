"""Where a partition starts that has no committed offset: of what is known of it, the first that applies. Pure.

Consumers start there; of a group that has none, the operator counts from there what waits.
"""

import msgspec

from kafkatrigger.api.checkpoint import Checkpoint, Mark, is_another
from kafkatrigger.api.start_policy import StartPolicy

TOPIC_RECREATED = "TopicRecreated"
LOG_TRUNCATED = "LogTruncated"


class Facts(msgspec.Struct, frozen=True):
    """What is known of the partition."""

    topic: str
    number: int
    topic_id: str
    """In hexadecimal digits."""
    low: int
    """The first offset that the log has."""
    high: int
    """Its end, for readers of committed transactions."""
    mark: Mark | None
    """What the checkpoint has of it."""
    held_id: str
    """Of the topic of the name that this process had partitions of before; empty where it had none."""
    is_new: bool
    """There is a checkpoint, and the partition is not in it."""
    is_redrive: bool
    """All of it was asked for."""


def facts(
    place: tuple[str, int],
    log: tuple[int, int],
    topic_id: str,
    recorded: Checkpoint,
    redrive_topic: str,
    held_id: str = "",
) -> Facts:
    """Of a topic's partition, from the first offset and the end of its log and the trigger's checkpoint."""
    topic, number = place
    mark = recorded.get(topic, {}).get(str(number))
    is_new = bool(recorded) and mark is None
    return Facts(topic, number, topic_id, *log, mark, held_id, is_new, is_redrive=topic == redrive_topic)


class StartingPoint(msgspec.Struct, frozen=True):
    """Where to start, and why."""

    reason: str
    offset: int
    timestamp: int | None = None
    """Milliseconds: it starts at the first message that is not earlier, and only where there is none at `offset`."""
    lost: int = 0
    """Offsets that the log does not have any more and that would have been read."""


def decide(facts: Facts, policy: StartPolicy) -> StartingPoint:
    """The steps in their order. A mark's offset beyond the end is of a log that lost its end since: its time is still right."""
    low, high, mark = facts.low, facts.high, facts.mark
    recorded_id = (mark.topic_id if mark else "") or facts.held_id
    if is_another(recorded_id, facts.topic_id):
        return StartingPoint(TOPIC_RECREATED, low)
    if mark and 0 <= mark.offset <= high:
        return StartingPoint("CheckpointOffset", max(mark.offset, low), lost=max(0, low - mark.offset))
    if mark and mark.timestamp is not None:
        return StartingPoint("CheckpointTimestamp", high, mark.timestamp)
    if facts.is_new:
        return StartingPoint("NewPartition", low)
    if facts.is_redrive:
        return StartingPoint("Redrive", low)
    return _by_policy(facts, policy)


def _by_policy(facts: Facts, policy: StartPolicy) -> StartingPoint:
    has_own = bool(policy.timestamps.get(facts.topic))
    reason = "PartitionTimestamps" if has_own else "InitialOffsetResetPolicy"
    timestamp = policy.timestamp_for(facts.topic, facts.number)
    if timestamp is None and policy.initial == "earliest":
        return StartingPoint(reason, facts.low)
    return StartingPoint(reason, facts.high, timestamp)
