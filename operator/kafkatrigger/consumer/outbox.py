"""The outbox: responses and dead letters, written and acknowledged.

A message is terminal once what it led to is acknowledged. Acknowledgements need no callback for each record: errors are
reported, and whatever was produced before a completed flush without one is acknowledged. An error names a record of a
failed batch, not the culprit, so such records are written again one at a time, and only what fails alone is refused.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.frames import Headers, Record
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.kafka import client

log = logging.getLogger(__name__)

FLUSH_TIMEOUT = 0.5
"""Seconds that a flush may hold up the engine; one that does not complete is continued at the next tick."""

ALONE_TIMEOUT = 5.0
RETRY_INTERVAL = 1.0

_REFUSED = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError._INVALID_ARG)
"""Errors that the record itself causes, when it was written alone."""


class Output(msgspec.Struct, eq=False):
    """A record to write, and the message that it answers."""

    partition: Partition
    source: Record
    topic: str
    value: bytes | None
    key: bytes | None
    headers: Headers
    outcome: str
    """What the message counts as once it is acknowledged; empty but for the last of several records of a message."""
    target: int = -1
    """Partition of the topic; -1 leaves it to the key."""


class Plain(msgspec.Struct, eq=False):
    """Responses of the ordinary kind, kept by the batch: record i was answered by value i under its own key."""

    partitions: list[Partition]
    records: list[Record]
    values: list[bytes]


class Outbox:
    """Writes records and knows which are not acknowledged yet.

    `refused` is called with a record that its topic will never take, and the reason; what it answers instead (a dead
    letter, say) is written in its place.
    """

    def __init__(self, settings: client.Configuration, refused: Callable[[Output, KafkaError], None]) -> None:
        hooks = {"on_delivery": self._delivered, "error_cb": self._on_error, "logger": logging.getLogger("librdkafka")}
        self._producer = Producer({**settings, **hooks})
        self._refused = refused
        self._plain: list[tuple[str, Plain]] = []
        self._special: list[Output] = []
        self._queue: deque[Output] = deque()
        self._failed: list[tuple[Message, KafkaError]] = []
        self._alone: deque[Output] = deque()
        self._retry_at = 0.0
        self.acknowledged: Counter[str] = Counter()
        """Messages that became terminal, by outcome."""
        self.problem: tuple[str, str] | None = None
        """Topic and sentence while a topic does not take records."""

    @classmethod
    def of(cls, config: ConsumerConfig, refused: Callable[[Output, KafkaError], None]) -> "Outbox":
        """The outbox of a trigger."""
        common = client.connection(config.bootstrap_servers, config.connection_options)
        return cls(client.outbox(common, config.max_buffered_bytes), refused)

    @property
    def blocked(self) -> bool:
        """Nothing more should be run: what has been answered cannot be written at the moment."""
        return bool(self._queue or self._alone)

    @property
    def unacknowledged(self) -> int:
        """Records written or to be written and not known to be acknowledged."""
        return (
            sum(len(plain.values) for _, plain in self._plain)
            + len(self._special)
            + len(self._queue)
            + len(self._alone)
        )

    def respond(self, topic: str, plain: Plain) -> None:
        """Writes the responses of the ordinary kind: the data path's inner loop."""
        produce = self._producer.produce
        written = 0
        try:
            for record, value in zip(plain.records, plain.values, strict=True):
                produce(topic, value, record[4])
                written += 1
        except (BufferError, KafkaException):
            # The rest goes record by record, where a full queue and a refused record are told apart.
            rest = zip(plain.records[written:], plain.values[written:], strict=True)
            for record, value in rest:
                self.write(Output(plain.partitions[record[0]], record, topic, value, record[4], [], "succeeded"))
            del plain.records[written:], plain.values[written:]
        self._plain.append((topic, plain))

    def write(self, output: Output) -> None:
        """Writes one record, or queues it behind those that already wait."""
        self._queue.append(output)
        self.pump()

    def pump(self) -> None:
        """Writes what waits: what the client's queue had no room for, then what has to be written alone."""
        self._producer.poll(0)
        while self._queue:
            output = self._queue[0]
            try:
                self._produce(output)
            except BufferError:
                return
            except KafkaException as error:
                self._queue.popleft()
                self._refused(output, error.args[0])
                continue
            self._queue.popleft()
            self._special.append(output)
        if self._alone and time.monotonic() >= self._retry_at:
            self._write_alone()

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Whether all that was written is acknowledged now (what waits to be written is not part of it)."""
        remaining = self._producer.flush(timeout)
        if self._failed:
            self._sort_out()
        if remaining:
            return False
        for _, plain in self._plain:
            self.acknowledged["succeeded"] += len(plain.values)
        self.acknowledged.update(output.outcome for output in self._special if output.outcome)
        self._plain.clear()
        self._special.clear()
        return True

    def open_offsets(self) -> Iterator[tuple[Partition, int]]:
        """The messages whose records are not acknowledged."""
        for _, plain in self._plain:
            for record in plain.records:
                yield plain.partitions[record[0]], record[1]
        for output in (*self._special, *self._queue, *self._alone):
            yield output.partition, output.source[1]

    def drop_revoked(self) -> None:
        """Forgets what was not written for partitions that were given up: their next owner runs the messages again."""
        self._queue = deque(output for output in self._queue if not output.partition.revoked)
        self._alone = deque(output for output in self._alone if not output.partition.revoked)

    def _produce(self, output: Output) -> None:
        self._producer.produce(
            output.topic, output.value, output.key, partition=output.target, headers=output.headers or None
        )

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append((message, error))

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaException(error)
        log.debug("producer: %s", error.str())

    def _sort_out(self) -> None:
        """Moves the records that failed from those written to those that are written alone.

        Records are matched by their content: two with the same content are each as good as the other.
        """
        wanted = Counter(
            _content(message.topic(), message.key(), message.value(), message.headers()) for message, _ in self._failed
        )
        message, error = self._failed[-1]
        log.warning(
            "%d records failed (%s, topic %s): they are written again one at a time",
            len(self._failed),
            error.str(),
            message.topic(),
        )
        self._failed.clear()
        kept: list[Output] = []
        for output in self._special:
            (self._alone if _take(wanted, output) else kept).append(output)
        self._special = kept
        for topic, plain in self._plain:
            self._take_from(topic, plain, wanted)

    def _take_from(self, topic: str, plain: Plain, wanted: Counter[tuple[object, ...]]) -> None:
        if not wanted.total():
            return
        keep: list[tuple[Record, bytes]] = []
        for record, value in zip(plain.records, plain.values, strict=True):
            output = Output(plain.partitions[record[0]], record, topic, value, record[4], [], "succeeded")
            if _take(wanted, output):
                self._alone.append(output)
            else:
                keep.append((record, value))
        plain.records = [record for record, _ in keep]
        plain.values = [value for _, value in keep]

    def _write_alone(self) -> None:
        """One record, and nothing else under way: so an error is this record's own, or the topic's."""
        if self._producer.flush(FLUSH_TIMEOUT):
            return
        if self._failed:
            self._sort_out()
        output = self._alone[0]
        self._produce(output)
        remaining = self._producer.flush(ALONE_TIMEOUT)
        if remaining:  # the broker does not answer: it stays under way, and is acknowledged or fails later
            self._special.append(self._alone.popleft())
            return
        self._alone.popleft()
        if not self._failed:
            self._special.append(output)
            self.problem = None
            return
        _, error = self._failed.pop()
        if error.code() in _REFUSED:
            self._refused(output, error)
        else:
            self._wait_for(output, error)

    def _wait_for(self, output: Output, error: KafkaError) -> None:
        self._alone.appendleft(output)
        self._retry_at = time.monotonic() + RETRY_INTERVAL
        self.problem = (output.topic, f"the topic {output.topic} takes no records ({error.str()})")
        log.warning("%s: writing is repeated", self.problem[1])


def _content(topic: str | None, key: bytes | None, value: bytes | None, headers: Headers | None) -> tuple[object, ...]:
    return topic, key, value, tuple(headers or ())


def _take(wanted: Counter[tuple[object, ...]], output: Output) -> bool:
    content = _content(output.topic, output.key, output.value, output.headers)
    if wanted[content] <= 0:
        return False
    wanted[content] -= 1
    return True
