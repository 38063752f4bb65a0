"""The source: membership in the group, the assignment, reading, committing."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.start_policy import StartPolicy
from kafkatrigger.consumer import start
from kafkatrigger.consumer.offsets import Position, encode_metadata
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.kafka import client

log = logging.getLogger(__name__)

BATCH = 500
"""Messages of one read. More costs more for each message; fewer cost more for each batch."""

_UNSUPPORTED = (KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION)


Positions = list[tuple[Partition, Position]]

ASSIGN_TRIES = 10


class ProtocolUnsupportedError(Exception):
    """The brokers do not know the rebalance protocol that was asked for."""


class Source:
    """A member of the trigger's group.

    `give_up` is called with the partitions that are being revoked. It finishes of them what it can and returns the
    positions to commit.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        policy: StartPolicy,
        give_up: Callable[[list[Partition]], Positions],
        on_error: Callable[[KafkaError], None],
    ) -> None:
        self._config = config
        self._policy = policy
        self._give_up = give_up
        self._on_error = on_error
        self._paused = False
        self.partitions: dict[tuple[str, int], Partition] = {}
        self.joined = False
        self.rebalances = 0
        self.protocol = "Consumer" if config.group_protocol == "Auto" else config.group_protocol
        self._consumer = self._connect()

    def _connect(self) -> Consumer:
        common = client.connection(self._config.bootstrap_servers, self._config.connection_options)
        settings = client.source(common, self._config.group_id, self._config.source_options)
        protocol = client.group_protocol(self.protocol)
        consumer = Consumer(
            {
                **protocol,
                **settings,
                "error_cb": self._on_error,
                "on_commit": self._committed,
                "logger": logging.getLogger("librdkafka"),
            }
        )
        consumer.subscribe(self._config.topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        return consumer

    def read(self, timeout: float) -> list[Message]:
        """Up to BATCH messages; returns as soon as there is one, or empty after `timeout` seconds."""
        try:
            first = self._consumer.poll(timeout)
            if first is None:
                return []
            return [message for message in (first, *self._consumer.consume(BATCH - 1, 0)) if self._is_message(message)]
        except ProtocolUnsupportedError:
            self._fall_back()
            return []

    def pause(self) -> None:
        """Nothing more is fetched, though `read` has to go on being called: it serves rebalances and the poll interval.

        What is fetched ahead is dropped by pausing, so this comes only after reading less did not help.
        """
        if not self._paused and self.partitions:
            self._consumer.pause(self._assignment())
            self._paused = True

    def resume(self) -> None:
        """Undoes `pause`."""
        if self._paused:
            self._consumer.resume(self._assignment())
            self._paused = False

    def _assignment(self) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for topic, number in self.partitions]

    @property
    def member_id(self) -> str:
        """Empty before the coordinator answered."""
        return str(self._consumer.memberid() or "")

    def ends(self) -> dict[Partition, int]:
        """The last stable offset of each partition, as of its latest fetch."""
        ends = {}
        for partition in self.partitions.values():
            _, high = self._consumer.get_watermark_offsets(
                TopicPartition(partition.topic, partition.number), cached=True
            )
            if high >= 0:
                ends[partition] = high
        return ends

    def commit(self, positions: Positions, wait: bool) -> None:
        """Commits what changed; an error is logged and told to `on_error`: the next commit says it again."""
        news = [(partition, at) for partition, at in positions if at != partition.committed]
        if not news:
            return
        try:
            self._consumer.commit(offsets=[_commit(partition, at) for partition, at in news], asynchronous=not wait)
        except KafkaException as error:
            log.warning("commit failed (%s): it is repeated", error.args[0].str())
            return
        for partition, at in news:
            partition.committed = at

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """Told of every commit, also of those that nobody waited for."""
        for each in partitions:
            partition = self.partitions.get((each.topic, each.partition))
            if (error or each.error) and partition is not None:
                log.warning("commit of %s failed (%s): it is repeated", partition.name, error or each.error)
                partition.committed = None

    def topics_found(self, timeout: float) -> bool:
        """Whether a broker answers and has all topics."""
        try:
            existing = self._consumer.list_topics(timeout=timeout).topics
        except KafkaException:
            return False
        return all(topic in existing and existing[topic].error is None for topic in self._config.topics)

    def close(self) -> None:
        """Leaves the group. What was not committed is read again by the next owner."""
        self._consumer.close()

    def _is_message(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        self._handle(message, error)
        return False

    def _handle(self, message: Message, error: KafkaError) -> None:
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            partition = self.partitions.get((message.topic(), message.partition()))
            if partition is not None:  # also moves over transaction markers, which are no messages
                partition.end = max(partition.end, message.offset())
        elif code == KafkaError._AUTO_OFFSET_RESET:
            self._continue_in_range(self.partitions[(message.topic(), message.partition())])
        elif code in _UNSUPPORTED and self._config.group_protocol == "Auto" and self.protocol == "Consumer":
            raise ProtocolUnsupportedError
        else:
            self._on_error(error)

    def _fall_back(self) -> None:
        log.info("the brokers do not know the consumer group protocol: using the classic one")
        self.protocol = "Classic"
        self._consumer.close()
        self._consumer = self._connect()

    def _continue_in_range(self, partition: Partition) -> None:
        """The position is outside of the log: retention overtook it, or the topic was truncated."""
        at = TopicPartition(partition.topic, partition.number)
        low, high = self._consumer.get_watermark_offsets(at, timeout=start.TIMEOUT)
        target = low if partition.end < low else high
        log.error(
            "%s: offset %d is outside of the log (%d to %d), so %d offsets are lost: continuing at %d",
            partition.name, partition.end, low, high, max(0, low - partition.end), target,
        )  # fmt: skip
        partition.end = target
        self._consumer.seek(TopicPartition(partition.topic, partition.number, target))

    def _assigned(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        self.rebalances += 1
        fresh = self._starts(consumer, assigned) if assigned else []
        positions = [TopicPartition(each.topic, each.number, each.end) for each in fresh]
        consumer.incremental_assign(positions)
        if self._paused and positions:
            consumer.pause(positions)
        self.partitions |= {(each.topic, each.number): each for each in fresh}
        self.joined = True
        log.info("assigned %s; now %d partitions", _names(assigned), len(self.partitions))

    def _starts(self, consumer: Consumer, assigned: list[TopicPartition]) -> list[Partition]:
        """Asked again while brokers do not answer; in the end the process ends, and nothing was skipped."""
        for _ in range(ASSIGN_TRIES - 1):
            try:
                return start.resolve(consumer, assigned, self._policy)
            except KafkaException as error:
                log.warning("the start of %s is not known yet (%s)", _names(assigned), error.args[0].str())
                self._on_error(error.args[0])
                time.sleep(1)
        return start.resolve(consumer, assigned, self._policy)

    def _revoked(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self.rebalances += 1
        leaving = self._leaving(revoked)
        self.commit(self._give_up(leaving), wait=True)
        self._forget(leaving)
        consumer.incremental_unassign(revoked)
        log.info("gave up %s; now %d partitions", _names(revoked), len(self.partitions))

    def _lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        """Somebody else may own them already: never commit."""
        self.rebalances += 1
        self._forget(self._leaving(lost))
        consumer.incremental_unassign(lost)
        self.joined = bool(self.partitions)
        log.warning("lost %s", _names(lost))

    def _leaving(self, given: list[TopicPartition]) -> list[Partition]:
        return [self.partitions[key] for each in given if (key := (each.topic, each.partition)) in self.partitions]

    def _forget(self, leaving: list[Partition]) -> None:
        for partition in leaving:
            partition.revoked = True
            del self.partitions[(partition.topic, partition.number)]


def _commit(partition: Partition, at: Position) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number, at.watermark, encode_metadata(partition.reason, at))


def _names(partitions: Iterable[Any]) -> str:
    return ", ".join(sorted(f"{each.topic}-{each.partition}" for each in partitions)) or "nothing"
