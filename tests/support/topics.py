"""A topic as a test sees it: make, fill, read."""

import time
import uuid
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from tests.support.waiting import until

Pair = tuple[bytes | None, bytes | None]


class Topics:
    """Topics of one broker."""

    def __init__(self, bootstrap: str) -> None:
        self._common = {"bootstrap.servers": bootstrap, "log_level": 0}  # brokers of tests come and go
        self._admin = AdminClient(self._common)

    def create(self, partitions: int = 2, prefix: str = "t", **config: str) -> str:
        """A new topic with a name of its own."""
        name = f"{prefix}-{uuid.uuid4().hex[:8]}"
        self.create_named(name, partitions, **config)
        return name

    def create_named(self, name: str, partitions: int = 2, **config: str) -> None:
        settings = {key.replace("_", "."): value for key, value in config.items()}
        self._admin.create_topics([NewTopic(name, partitions, config=settings)])[name].result()

    def create_unreplicated(self, name: str) -> None:
        """One partition, which one broker has alone."""
        self._admin.create_topics([NewTopic(name, 1, 1)])[name].result()

    def leader(self, topic: str, partition: int) -> int:
        """The id of the broker that leads the partition."""
        found: int = self._admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].leader
        return found

    def forbid_writing(self, topic: str) -> None:
        """Nobody may write to it, on a broker that cares."""
        for each in _rules(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL):
            self._admin.create_acls([each])[each].result()

    def allow_writing(self, topic: str) -> None:
        """The opposite."""
        self._forget_rules(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL)

    def forbid_transactions(self, prefix: str) -> None:
        """Nobody may use transactional ids that begin so, on a broker that cares."""
        for each in _rules(ResourceType.TRANSACTIONAL_ID, prefix, ResourcePatternType.PREFIXED):
            self._admin.create_acls([each])[each].result()

    def allow_transactions(self, prefix: str) -> None:
        """The opposite."""
        self._forget_rules(ResourceType.TRANSACTIONAL_ID, prefix, ResourcePatternType.PREFIXED)

    def _forget_rules(self, kind: ResourceType, name: str, pattern: ResourcePatternType) -> None:
        rules = AclBindingFilter(kind, name, pattern, None, None, AclOperation.ANY, AclPermissionType.ANY)
        self._admin.delete_acls([rules])[rules].result()

    def produce(self, topic: str, records: Iterable[Pair], **more: object) -> None:
        """Writes (key, value) pairs and waits for their acknowledgement."""
        producer = Producer({**self._common, "linger.ms": 5, "partitioner": "murmur2_random"})
        for key, value in records:
            while True:
                try:
                    producer.produce(topic, value, key, **more)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(30) == 0

    def delete(self, topic: str) -> None:
        """Deletes the topic, and returns when it is gone."""
        self._admin.delete_topics([topic])[topic].result()
        until(lambda: topic not in self._admin.list_topics(timeout=10).topics, 30, f"the end of {topic}")

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """As retention does."""
        where = TopicPartition(topic, partition, offset)
        self._admin.delete_records([where])[where].result()

    def count(self, topic: str) -> int:
        """How many offsets the topic has, by its end offsets; 0 while it does not exist."""
        return sum(self.ends(topic).values())

    def ends(self, topic: str) -> dict[int, int]:
        """End offsets by partition; nothing while the topic does not exist."""
        consumer = Consumer({**self._common, "group.id": uuid.uuid4().hex})
        try:
            found = consumer.list_topics(topic, timeout=10).topics[topic]
            if found.error is not None:
                return {}
            wheres = [TopicPartition(topic, number) for number in found.partitions]
            return {each.partition: consumer.get_watermark_offsets(each, timeout=10)[1] for each in wheres}
        finally:
            consumer.close()

    def read_all(self, topic: str, seconds: float = 60.0) -> list[Message]:
        """All of committed transactions that there is now, of each partition in its order; nothing while there is no topic."""
        consumer = Consumer(
            {
                **self._common,
                "group.id": uuid.uuid4().hex,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        try:
            partitions = self._partitions(consumer, topic)
            consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
            return self._read_to_ends(consumer, set(partitions), seconds)
        finally:
            consumer.close()

    @staticmethod
    def _read_to_ends(consumer: Consumer, unfinished: set[int], seconds: float) -> list[Message]:
        messages: list[Message] = []
        deadline = time.monotonic() + seconds
        while unfinished:
            assert time.monotonic() < deadline, f"partitions {unfinished} were not read to their ends"
            for each in consumer.consume(1000, 0.2):
                if each.error() is None:
                    messages.append(each)
                elif each.error().code() == KafkaError._PARTITION_EOF:
                    unfinished.discard(each.partition())
        return messages

    def read(self, topic: str, count: int, seconds: float = 60.0) -> list[Message]:
        """The first `count` messages of all partitions, in the order of each; AssertionError when fewer come in time.

        Waits half a second longer than needed, so that one too many is seen as well.
        """
        consumer = Consumer({**self._common, "group.id": uuid.uuid4().hex, "isolation.level": "read_committed"})
        try:
            partitions = until(lambda: self._partitions(consumer, topic), seconds, f"the topic {topic}")
            consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
            return self._read(consumer, topic, count, seconds)
        finally:
            consumer.close()

    @staticmethod
    def _partitions(consumer: Consumer, topic: str) -> list[int]:
        return list(consumer.list_topics(topic, timeout=10).topics[topic].partitions)

    @staticmethod
    def _read(consumer: Consumer, topic: str, count: int, seconds: float) -> list[Message]:
        messages: list[Message] = []
        deadline = time.monotonic() + seconds
        while len(messages) < count and time.monotonic() < deadline:
            messages += [each for each in consumer.consume(1000, 0.2) if each.error() is None]
        messages += [each for each in consumer.consume(1000, 0.5) if each.error() is None]
        assert len(messages) >= count, f"{len(messages)} of {count} messages arrived at {topic} within {seconds:.0f} s"
        return messages

    def coordinator(self, group: str) -> int | None:
        """The id of the broker that coordinates the group; None while nobody says it."""
        try:
            found: int = self._admin.describe_consumer_groups([group])[group].result().coordinator.id
        except KafkaException:
            return None
        return found

    def members(self, group: str) -> int:
        """How many members the group has."""
        described = self._admin.describe_consumer_groups([group])[group]
        return len(described.result().members)

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Committed offsets by partition."""
        return {number: offset for number, (offset, _) in self.committed_with_metadata(group, topic).items()}

    def committed_with_metadata(self, group: str, topic: str) -> dict[int, tuple[int, str]]:
        """Committed offsets by partition, each with its metadata; without those of transactions that are open."""
        # Readers of committed transactions would be kept waiting for the end of an open one.
        consumer = Consumer({**self._common, "group.id": group, "isolation.level": "read_uncommitted"})
        try:
            partitions = self._partitions(consumer, topic)
            found = consumer.committed([TopicPartition(topic, number) for number in partitions], timeout=10)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NOT_COORDINATOR:  # a coordinator that has just come to be
                raise
            return {}
        finally:
            consumer.close()
        return {each.partition: (each.offset, each.metadata or "") for each in found if each.offset >= 0}


def _rules(kind: ResourceType, name: str, pattern: ResourcePatternType) -> list[AclBinding]:
    """All is allowed but writing; with no rule for something at all the broker allows everything."""
    who = "User:ANONYMOUS", "*"
    return [
        AclBinding(kind, name, pattern, *who, AclOperation.ALL, AclPermissionType.ALLOW),
        AclBinding(kind, name, pattern, *who, AclOperation.WRITE, AclPermissionType.DENY),
    ]
