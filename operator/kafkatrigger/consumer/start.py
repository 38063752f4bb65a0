"""Where an assigned partition starts: its committed offset, else the trigger's start policy.

The start is committed at once with its reason, so that `latest` never skips what arrives before the first commit, and a
restart never rewinds.
"""

import logging
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from kafkatrigger.api.start_policy import StartPolicy
from kafkatrigger.consumer.offsets import Position, decode_metadata, encode_metadata
from kafkatrigger.consumer.partition import Partition

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds for each question to the brokers."""


def resolve(consumer: Consumer, assigned: Iterable[TopicPartition], policy: StartPolicy) -> list[Partition]:
    """The assigned partitions with their starts; KafkaException where a broker could not be asked."""
    committed = checked(consumer.committed(list(assigned), timeout=TIMEOUT))
    known = [_committed(each) for each in committed if each.offset >= 0]
    fresh = [_fresh(consumer, each, policy) for each in committed if each.offset < 0]
    if fresh:
        checked(consumer.commit(offsets=[start_commit(each) for each in fresh], asynchronous=False))
    for each in fresh:
        each.told, each.committed = Position(each.end), each.end
        log.info("%s starts at offset %d: %s", each.name, each.end, each.reason)
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
    metadata = encode_metadata(partition.reason, Position(partition.end))
    return TopicPartition(partition.topic, partition.number, partition.end, metadata)


def _committed(at: TopicPartition) -> Partition:
    reason, position = decode_metadata(at.offset, at.metadata)
    return Partition(
        at.topic, at.partition, position.watermark, reason, position.terminal, position, position.watermark
    )


def _fresh(consumer: Consumer, of: TopicPartition, policy: StartPolicy) -> Partition:
    offset, reason = _start(consumer, of, policy)
    return Partition(of.topic, of.partition, offset, reason)


def _start(consumer: Consumer, of: TopicPartition, policy: StartPolicy) -> tuple[int, str]:
    reason = "PartitionTimestamps" if policy.timestamps.get(of.topic) else "InitialOffsetResetPolicy"
    low, high = consumer.get_watermark_offsets(of, timeout=TIMEOUT)
    timestamp = policy.timestamp_for(of.topic, of.partition)
    if timestamp is None:
        return (low if policy.initial == "earliest" else high), reason
    (found,) = checked(consumer.offsets_for_times([TopicPartition(of.topic, of.partition, timestamp)], timeout=TIMEOUT))
    return (found.offset if found.offset >= 0 else high), reason
