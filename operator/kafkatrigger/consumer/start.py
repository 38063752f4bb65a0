"""Where assigned partitions start: at their committed offset, else where `starting_point` says.

The start is committed at once with its reason, so that `latest` never skips what arrives before the first commit, and a
restart never rewinds.
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from kafkatrigger.api import checkpoint
from kafkatrigger.api.checkpoint import CHECKPOINT_PATH, Checkpoint, is_another
from kafkatrigger.api.start_policy import StartPolicy
from kafkatrigger.api.starting_point import LOG_TRUNCATED, TOPIC_RECREATED, StartingPoint, decide, facts
from kafkatrigger.consumer import offsets
from kafkatrigger.consumer.log_changes import LogChanges
from kafkatrigger.consumer.offsets import (
    RETRYING,
    STOPPED,
    LaneId,
    Origin,
    Position,
    decode_metadata,
    encode_metadata,
)
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.kafka import log_offsets
from kafkatrigger.kafka.log_offsets import Place

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds for each question to the brokers."""

Ranges = Mapping[Place, tuple[int, int]]
"""The first offset that a log has, and its end for readers of committed transactions."""


class Policy(msgspec.Struct, frozen=True):
    """Where partitions without a committed offset start."""

    start: StartPolicy
    redrive_topic: str
    """Starts at its beginning, whatever the policy says of others: all of it was asked for."""
    config: int
    """A fingerprint of the configuration, for the commits."""
    checkpoint: Path = CHECKPOINT_PATH
    """Read whenever it is needed: it changes while the process runs."""


def resolve(
    consumer: Consumer,
    admin: AdminClient,
    assigned: Iterable[TopicPartition],
    policy: Policy,
    topic_ids: Mapping[str, bytes],
    changes: LogChanges,
    held_ids: Mapping[str, bytes],
) -> list[Partition]:
    """The assigned partitions with their starts; KafkaException where a broker could not be asked.

    `topic_ids` may leave out topics: then nobody knows whether they are the same as before. `held_ids` are those that this
    process had partitions of: with a topic that is deleted brokers forget what was committed of it.
    """
    known: list[Partition] = []
    unknown: list[TopicPartition] = []
    points: list[tuple[TopicPartition, StartingPoint]] = []
    found = checked(consumer.committed(list(assigned), timeout=TIMEOUT))
    doubted = [_place(each) for each in found if _is_doubted(each, topic_ids)]
    ranges = log_offsets.ranges(admin, doubted, TIMEOUT)
    for each in found:
        topic_id = topic_ids.get(each.topic, b"")
        if each.offset < 0:
            unknown.append(each)
        elif is_another(decode_metadata(each.offset, each.metadata)[0].topic_id, topic_id):
            points.append((each, StartingPoint(TOPIC_RECREATED, ranges[_place(each)][0])))
        elif (end := _end_before(each, ranges)) is not None:
            points.append((each, StartingPoint(LOG_TRUNCATED, min(each.offset, end))))
        else:
            known.append(_committed(each, policy, topic_id))
    points += _decided(admin, unknown, ranges, policy, topic_ids, held_ids)
    fresh = [_begun(each, point, policy, topic_ids) for each, point in points]
    if fresh:
        checked(consumer.commit(offsets=[start_commit(each) for each in fresh], asynchronous=False))
    for each, (_, point) in zip(fresh, points, strict=True):
        each.told = each.committed = each.restored
        log.info("%s starts at offset %d: %s", each.name, each.end, point.reason, extra=each.facts(each.end))
        _tell(each, point, changes)
    return known + fresh


def checked(partitions: list[TopicPartition]) -> list[TopicPartition]:
    """The partitions, if the answer holds for each of them; KafkaException where it does not.

    An offset that could not be fetched must not be taken for one that was never committed.
    """
    for each in partitions:
        if each.error is not None:
            raise KafkaException(each.error)
    return partitions


def start_commit(partition: Partition) -> TopicPartition:
    """The commit of a partition of which nothing has been read yet."""
    metadata, _ = encode_metadata(partition.origin, partition.restored)
    return TopicPartition(partition.topic, partition.number, partition.end, metadata)


def _is_doubted(at: TopicPartition, topic_ids: Mapping[str, bytes]) -> bool:
    """Whether what is committed does not say all: what the log has is asked for."""
    if at.offset < 0:
        return True
    origin, position = decode_metadata(at.offset, at.metadata)
    return bool(position.open) or is_another(origin.topic_id, topic_ids.get(at.topic, b""))


def _end_before(at: TopicPartition, ranges: Ranges) -> int | None:
    """The log's end, if it is not as far as the commit knows the messages to be terminal: others have come in their place.

    A position beyond the end shows when it is read. One below it, at a message that was open, does not.
    """
    position = decode_metadata(at.offset, at.metadata)[1]
    if not position.open:
        return None
    end = ranges[_place(at)][1]
    return end if end < position.bound else None


def _decided(
    admin: AdminClient,
    unknown: list[TopicPartition],
    ranges: Ranges,
    policy: Policy,
    topic_ids: Mapping[str, bytes],
    held_ids: Mapping[str, bytes],
) -> list[tuple[TopicPartition, StartingPoint]]:
    """Where partitions start of which nothing is committed."""
    if not unknown:
        return []
    recorded = _load(policy.checkpoint)
    points = {}
    for place in map(_place, unknown):
        topic_id, held_id = (ids.get(place[0], b"").hex() for ids in (topic_ids, held_ids))
        known = facts(place, ranges[place], topic_id, recorded, policy.redrive_topic, held_id)
        points[place] = decide(known, policy.start)
    found = log_offsets.resolved(admin, points, TIMEOUT)
    return [(each, found[_place(each)]) for each in unknown]


def _load(folder: Path) -> Checkpoint:
    """The checkpoint. One that cannot be read ends the process: without it messages might be skipped or run again."""
    try:
        return checkpoint.load(folder)
    except msgspec.DecodeError as error:
        log.error("the checkpoint in %s cannot be read (%s): correct or delete its ConfigMap", folder, error)
        raise


def _place(of: TopicPartition) -> Place:
    return of.topic, of.partition


def _begun(of: TopicPartition, point: StartingPoint, policy: Policy, topic_ids: Mapping[str, bytes]) -> Partition:
    origin = Origin(point.reason, topic_ids.get(of.topic, b""), policy.config)
    return Partition(of.topic, of.partition, point.offset, origin, offsets.start(point.offset))


def _tell(partition: Partition, point: StartingPoint, changes: LogChanges) -> None:
    if point.reason == TOPIC_RECREATED:
        changes.recreated(partition, point.offset)
    elif point.reason == LOG_TRUNCATED:
        changes.truncated(partition, point.offset)
    elif point.lost:
        changes.removed(partition, point.offset - point.lost, point.offset)


def _committed(at: TopicPartition, policy: Policy, topic_id: bytes) -> Partition:
    origin, position = decode_metadata(at.offset, at.metadata)
    resumed: frozenset[LaneId] = frozenset()
    if origin.config != policy.config:
        resumed = frozenset(each.lane for each in position.parked if each.state == STOPPED)
        position = _without_stops(position)
    anew = Origin(origin.reason, topic_id or origin.topic_id, policy.config)
    return Partition(
        *(at.topic, at.partition, position.resume_at, anew, position),
        resumed=resumed,
        told=position,
        committed=position,
    )


def _without_stops(position: Position) -> Position:
    """With another configuration a stop has ended: the message that caused it is tried anew."""
    parked = [replace(each, attempts=0, state=RETRYING) if each.state == STOPPED else each for each in position.parked]
    return Position(position.watermark, position.bound, position.open, parked)
