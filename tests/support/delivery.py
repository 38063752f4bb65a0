"""An outbox at work without engine and runtime: reads, answers each message with itself, commits. Also as a process.

`python -m tests.support.delivery CONFIG` runs one until it is killed.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from kafkatrigger.api.configure import consumer_config
from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.frames import Record
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.consumer import dead_letter, guarantees
from kafkatrigger.consumer.commits import Positions
from kafkatrigger.consumer.offsets import Origin, decode_metadata, encode_metadata, position, start
from kafkatrigger.consumer.outbox import Callbacks
from kafkatrigger.consumer.output import Output, Plain
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.sizes import sizes
from kafkatrigger.kafka import client
from tests.cluster.broker import HostBroker
from tests.support.waiting import until

COMMIT_INTERVAL = 0.1
READ = 500
MOST = 50_000
"""Records that may wait for their acknowledgement before nothing more is read."""
MOST_BYTES = 64 * 1024 * 1024


def config(broker: HostBroker, topic: str, guarantee: str, **delivery: Any) -> ConsumerConfig:
    """Of a trigger that answers to <topic>.out, with dead letters to <topic>.dlq."""
    spec = {
        "kafka": {"bootstrapServers": [broker.bootstrap]},
        "source": {"topics": [topic]},
        "transformation": {"function": "none:none"},
        "response": {"topic": f"{topic}.out"},
        "delivery": {"guarantee": guarantee, "deadLetter": {"topic": f"{topic}.dlq"}, **delivery},
    }
    return consumer_config("tests", topic, KafkaTriggerSpec.model_validate(spec))


class Delivery:
    """A member of the group with an outbox. `answer` gives the value of a message's response; None keeps it open."""

    def __init__(
        self,
        settings: ConsumerConfig,
        answer: Callable[[Message], bytes | None] = lambda m: m.value(),
        session_ms: int = 10_000,
    ) -> None:
        self._answer = answer
        self.refused: list[Output] = []
        self.held: list[Output] = []
        self.settled: list[Output] = []
        self.partitions: dict[tuple[str, int], Partition] = {}
        self.open: dict[Partition, list[tuple[Record, bytes | None]]] = defaultdict(list)
        self.answered = 0
        self._commit_at = 0.0
        self._stale: object = None
        self._dead_letters = settings.dead_letter.topic
        assert settings.response
        self._responses = settings.response.topic
        common = client.connection(settings.bootstrap_servers, {})
        options = {**client.source(common, settings.group_id, 2**24, {}), **client.group_protocol("Classic")}
        self.consumer = Consumer({**options, "enable.partition.eof": False, "session.timeout.ms": session_ms})
        self.outbox = guarantees.outbox(settings, Callbacks(self._refuse, self.held.append, self.settled.append))
        self.consumer.subscribe(settings.topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def step(self) -> None:
        """One turn of the loop."""
        self.read()
        self.outbox.pump()
        if time.monotonic() >= self._commit_at:
            self._commit_at = time.monotonic() + COMMIT_INTERVAL
            self.outbox.commit(self, self.positions)

    def read(self) -> None:
        """Reads some messages and answers them."""
        if self.outbox.full or self.outbox.unacknowledged > MOST or self.outbox.bytes > MOST_BYTES:
            return
        messages = self.consumer.consume(READ, 0.02)
        ours = [(message, each) for message in messages if (each := self._take(message)) is not None]
        partitions = list(dict.fromkeys(each for _, each in ours))
        records: list[Record] = []
        values: list[bytes] = []
        for message, each in ours:
            timestamp = message.timestamp()[1]
            record = (partitions.index(each), message.offset(), timestamp, 1, message.key(), message.value(), None)
            value = self._answer(message)
            if value is None:
                self.open[each].append((record, message.value()))
            else:
                records.append(record)
                values.append(value)
        self.answered += len(values)
        if values:
            size = sum(map(len, values)) + sizes(records)
            self.outbox.respond(Plain(self._responses, partitions, records, values, size))

    def finish(self, partition: Partition, count: int) -> None:
        """Answers the first messages that were kept open."""
        done, self.open[partition] = self.open[partition][:count], self.open[partition][count:]
        records = [(0, *record[1:]) for record, _ in done]
        values = [value or b"" for _, value in done]
        self.outbox.respond(
            Plain(self._responses, [partition], records, values, sum(map(len, values)) + sizes(records))
        )

    def until(self, condition: Callable[[], Any], seconds: float = 60.0, what: str = "the condition") -> None:
        """Goes on until the condition holds."""

        def stepped() -> bool:
            self.step()
            return bool(condition())

        until(stepped, seconds, what)

    def settle(self, seconds: float = 60.0) -> None:
        """Goes on until all is committed."""
        self.until(self._is_settled, seconds, "the last commit")

    def _is_settled(self) -> bool:
        is_acknowledged = not list(self.outbox.open_offsets()) and not self.outbox.full
        return is_acknowledged and all(each.told == at for each, at in self.positions())

    def positions(self) -> Positions:
        """As the engine computes them."""
        still_open: dict[Partition, list[int]] = defaultdict(list)
        for partition, offset in self.outbox.open_offsets():
            still_open[partition].append(offset)
        for partition, kept in self.open.items():
            still_open[partition] += [record[1] for record, _ in kept]
        return [(each, position(each.end, still_open[each], [], each.restored)) for each in self.partitions.values()]

    def spoil_metadata(self) -> None:
        """From now on the group's metadata is what it is now, until `mend_metadata`."""
        self._stale = self.consumer.consumer_group_metadata()

    def mend_metadata(self) -> None:
        """The opposite."""
        self._stale = None

    def close(self) -> None:
        """Leaves the group."""
        self.consumer.close()

    # What the outbox commits with

    def commit(self, positions: Positions) -> None:
        news = [(each, at) for each, at in positions if at != each.told]
        if news:
            self.consumer.commit(offsets=[_offset(each, at) for each, at in news], asynchronous=False)
        for each, at in news:
            each.told = at

    def commit_last(self, positions: Positions) -> bool:
        self.commit(positions)
        return True

    def group_metadata(self) -> object:
        return self._stale or self.consumer.consumer_group_metadata()

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, str]]:
        asked = {(each.topic, each.number): each for each in partitions}
        found = self.consumer.committed([TopicPartition(*where) for where in asked], timeout=0.5)
        assert all(each.error is None for each in found)
        return {asked[each.topic, each.partition]: (each.offset, each.metadata or "") for each in found}

    # Callbacks

    def _take(self, message: Message) -> Partition | None:
        """The partition of a message that is to be answered."""
        if message.error() is not None:
            raise KafkaException(message.error())
        partition = self.partitions.get((message.topic(), message.partition()))
        if partition is None:
            return None
        partition.end = message.offset() + 1
        partition.leader_epoch = message.leader_epoch()
        return partition if partition.restored.is_open(message.offset(), -2 - message.offset()) else None

    def _refuse(self, output: Output, error: KafkaError) -> Output | None:
        self.refused.append(output)
        headers = dead_letter.headers(output.partition, output.source, "ResponseRefused", error.name(), "why")
        return Output(
            output.partition, output.source, self._dead_letters, None, output.source[4], headers, "dead_lettered"
        )

    def _assigned(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        found = until(lambda: self._committed_of(consumer, assigned), 60, "committed offsets") if assigned else []
        for each in found:
            _, at = decode_metadata(each.offset, each.metadata) if each.offset >= 0 else (None, start(0))
            partition = Partition(each.topic, each.partition, at.resume_at, Origin("Committed"), at, committed=at)
            self.partitions[each.topic, each.partition] = partition
        starts = [TopicPartition(each.topic, each.number, each.end) for each in self.partitions.values()]
        wanted = {(each.topic, each.partition) for each in assigned}
        consumer.incremental_assign([each for each in starts if (each.topic, each.partition) in wanted])

    @staticmethod
    def _committed_of(consumer: Consumer, assigned: list[TopicPartition]) -> list[TopicPartition] | None:
        try:
            found = consumer.committed(assigned, timeout=5)
        except KafkaException:
            return None
        return found if all(each.error is None for each in found) else None

    def _revoked(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self.outbox.commit_last(self, self.positions, self.partitions.values())
        self._lost(consumer, revoked)

    def _lost(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        for each in revoked:
            self.partitions.pop((each.topic, each.partition)).revoked = True
        self.outbox.drop_revoked()
        consumer.incremental_unassign(revoked)


def _offset(partition: Partition, at: Any) -> TopicPartition:
    text, _ = encode_metadata(partition.origin, at)
    return TopicPartition(partition.topic, partition.number, at.watermark, text, partition.leader_epoch)


def main(path: str) -> None:
    """Runs until it is killed."""
    delivery = Delivery(msgspec.json.decode(Path(path).read_bytes(), type=ConsumerConfig))
    while True:
        delivery.step()


if __name__ == "__main__":
    main(sys.argv[1])
