"""Where an assigned partition starts: its committed offset, else the trigger's start policy.

The start is committed at once with its reason, so that `latest` never skips what arrives before the first commit, and a
restart never rewinds.
"""

import logging
from collections.abc import Iterable, Mapping

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition
from msgspec.structs import replace

from kafkatrigger.api.start_policy import StartPolicy
from kafkatrigger.consumer import offsets
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

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds for each question to the brokers."""


class Policy(msgspec.Struct, frozen=True):
    """Where partitions without a committed offset start."""

    start: StartPolicy
    redrive_topic: str
    """Starts at its beginning, whatever the policy says of others: all of it was asked for."""
    config: int
    """A fingerprint of the configuration, for the commits."""


def resolve(
    consumer: Consumer, assigned: Iterable[TopicPartition], policy: Policy, topic_ids: Mapping[str, bytes]
) -> list[Partition]:
    """The assigned partitions with their starts; KafkaException where a broker could not be asked.

    `topic_ids` may leave out topics: then nobody knows whether they are the same as before.
    """
    committed = checked(consumer.committed(list(assigned), timeout=TIMEOUT))
    known, fresh = [], []
    for each in committed:
        topic_id = topic_ids.get(each.topic, b"")
        if each.offset < 0:
            fresh.append(_fresh(consumer, each, policy, topic_id))
        elif _is_another(each, topic_id):
            fresh.append(_recreated(consumer, each, policy, topic_id))
        else:
            known.append(_committed(each, policy, topic_id))
    if fresh:
        checked(consumer.commit(offsets=[start_commit(each) for each in fresh], asynchronous=False))
    for each in fresh:
        each.told = each.committed = each.restored
        log.info("%s starts at offset %d: %s", each.name, each.end, each.origin.reason)
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


def _is_another(at: TopicPartition, topic_id: bytes) -> bool:
    """Whether the topic was deleted and made again since the commit."""
    origin, _ = decode_metadata(at.offset, at.metadata)
    return bool(origin.topic_id and topic_id) and origin.topic_id != topic_id


def _recreated(consumer: Consumer, of: TopicPartition, policy: Policy, topic_id: bytes) -> Partition:
    """What was committed speaks of a log that is no more: all of the new one is new."""
    low, _ = consumer.get_watermark_offsets(of, timeout=TIMEOUT)
    log.warning("%s-%d: the topic was made anew since the last commit (offset %d)", of.topic, of.partition, of.offset)
    return Partition(of.topic, of.partition, low, Origin("TopicRecreated", topic_id, policy.config), offsets.start(low))


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


def _fresh(consumer: Consumer, of: TopicPartition, policy: Policy, topic_id: bytes) -> Partition:
    offset, reason = _start(consumer, of, policy)
    return Partition(of.topic, of.partition, offset, Origin(reason, topic_id, policy.config), offsets.start(offset))


def _start(consumer: Consumer, of: TopicPartition, policy: Policy) -> tuple[int, str]:
    low, high = consumer.get_watermark_offsets(of, timeout=TIMEOUT)
    if of.topic == policy.redrive_topic:
        return low, "Redrive"
    start = policy.start
    reason = "PartitionTimestamps" if start.timestamps.get(of.topic) else "InitialOffsetResetPolicy"
    timestamp = start.timestamp_for(of.topic, of.partition)
    if timestamp is None:
        return (low if start.initial == "earliest" else high), reason
    (found,) = checked(consumer.offsets_for_times([TopicPartition(of.topic, of.partition, timestamp)], timeout=TIMEOUT))
    return (found.offset if found.offset >= 0 else high), reason
