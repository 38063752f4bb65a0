"""Where an assigned partition starts: its committed offset, else the trigger's start policy.

The start is committed at once with its reason, so that `latest` never skips what arrives before the first commit, and a
restart never rewinds.
"""

import logging
from collections.abc import Iterable

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from kafkatrigger.api.start_policy import StartPolicy
from kafkatrigger.consumer import offsets
from kafkatrigger.consumer.offsets import RETRYING, STOPPED, Origin, Parked, Position, decode_metadata, encode_metadata
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


def resolve(consumer: Consumer, assigned: Iterable[TopicPartition], policy: Policy) -> list[Partition]:
    """The assigned partitions with their starts; KafkaException where a broker could not be asked."""
    committed = checked(consumer.committed(list(assigned), timeout=TIMEOUT))
    known = [_committed(each, policy) for each in committed if each.offset >= 0]
    fresh = [_fresh(consumer, each, policy) for each in committed if each.offset < 0]
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


def _committed(at: TopicPartition, policy: Policy) -> Partition:
    origin, position = decode_metadata(at.offset, at.metadata)
    if origin.config != policy.config:
        position = _without_stops(position)
    anew = Origin(origin.reason, origin.topic_id, policy.config)
    return Partition(at.topic, at.partition, position.resume_at, anew, position, told=position, committed=position)


def _without_stops(position: Position) -> Position:
    """With another configuration a stop has ended: the message that caused it is tried anew."""
    parked = [
        Parked(each.lane, each.offset, each.until, 0, RETRYING) if each.state == STOPPED else each
        for each in position.parked
    ]
    return Position(position.watermark, position.bound, position.open, parked)


def _fresh(consumer: Consumer, of: TopicPartition, policy: Policy) -> Partition:
    offset, reason = _start(consumer, of, policy)
    return Partition(of.topic, of.partition, offset, Origin(reason, b"", policy.config), offsets.start(offset))


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
