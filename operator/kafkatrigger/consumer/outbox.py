"""The outbox: responses and dead letters, written and acknowledged.

A message is terminal once what it led to is acknowledged. Acknowledgements need no callback for each record: errors are
reported, and whatever was produced before a completed flush without one is acknowledged. An error names a record of a
failed batch, not the culprit, so what failed is written again in halves, and only what fails alone is refused.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from functools import partial

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.frames import Headers, Record
from kafkatrigger.consumer.lanes import size, sizes
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.kafka import client

log = logging.getLogger(__name__)

FLUSH_TIMEOUT = 0.5
"""Seconds that a flush may hold up the engine; one that does not complete is continued at the next tick."""

SUSPECTS_TIMEOUT = 2.0
SUSPECTS_BUDGET = 0.5
"""Seconds of one tick that may be spent on records that failed."""

RETRY_INTERVAL = 1.0

_REFUSED = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError._INVALID_ARG,
}
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
    timestamp: int = 0
    """Milliseconds since the epoch; 0 is now."""

    @property
    def bytes(self) -> int:
        return len(self.value or b"") + size(self.source)


class Plain(msgspec.Struct, eq=False):
    """Responses of the ordinary kind, kept by the batch: record i was answered by value i under its own key."""

    topic: str
    partitions: list[Partition]
    records: list[Record]
    values: list[bytes]

    def outputs(self, start: int = 0) -> Iterator[Output]:
        """The responses one by one, from this index on."""
        for record, value in zip(self.records[start:], self.values[start:], strict=True):
            yield Output(self.partitions[record[0]], record, self.topic, value, record[4], [], "succeeded")

    @property
    def bytes(self) -> int:
        return sum(map(len, self.values)) + sizes(self.records)


Failures = list[tuple[Output, KafkaError]]
Refused = Callable[[Output, KafkaError], Output | None]


class Outbox:
    """Writes records and knows which are not acknowledged yet.

    A record is always in one place: written, in the queue, or among the suspects. `refused` is called with a record that
    its topic will never take, and the reason; what it returns (a dead letter, say) is written in its place.
    """

    def __init__(self, settings: client.Configuration, refused: Refused) -> None:
        hooks = {"on_delivery": self._plain_failed, "error_cb": self._on_error}
        self._producer = Producer({**settings, **hooks, "logger": logging.getLogger("librdkafka")})
        self._refused = refused
        self._plain: list[Plain] = []
        self._special: list[Output] = []
        self._queue: deque[Output] = deque()
        self._suspects: deque[list[Output]] = deque()
        self._failed_plain: list[tuple[Message, KafkaError]] = []
        self._failed_special: Failures = []
        self._retry_at = 0.0
        self._problem: tuple[str, str] | None = None
        self._written = 0
        self.bytes = 0
        """Held by what is not acknowledged."""
        self.acknowledged: Counter[str] = Counter()
        """Messages that became terminal, by outcome."""

    @classmethod
    def of(cls, config: ConsumerConfig, refused: Refused) -> "Outbox":
        """The outbox of a trigger."""
        common = client.connection(config.bootstrap_servers, config.connection_options)
        return cls(client.outbox(common, config.max_buffered_bytes), refused)

    @property
    def problem(self) -> tuple[str, str] | None:
        """Topic and sentence while a topic does not take records."""
        return self._problem if self._suspects else None

    @property
    def blocked(self) -> bool:
        """Nothing more should be run: what has been answered cannot be written at the moment."""
        return bool(self._queue or self._suspects)

    @property
    def unacknowledged(self) -> int:
        """Records written and not known to be acknowledged."""
        return self._written

    def respond(self, plain: Plain) -> None:
        """Writes the responses of the ordinary kind: the data path's inner loop."""
        self.bytes += plain.bytes
        if self.blocked:
            self._queue.extend(plain.outputs())
            return
        produce, topic = self._producer.produce, plain.topic
        written = 0
        try:
            for record, value in zip(plain.records, plain.values, strict=True):
                produce(topic, value, record[4])
                written += 1
        except (BufferError, KafkaException):
            # The rest goes record by record, where a full queue and a refused record are told apart.
            self._queue.extend(plain.outputs(written))
            del plain.records[written:], plain.values[written:]
        self._written += written
        self._plain.append(plain)

    def write(self, output: Output) -> None:
        """Writes one record, behind those that already wait."""
        self.bytes += output.bytes
        self._queue.append(output)
        self._write_queue()

    def pump(self) -> None:
        """Writes what waits: first what failed, since it is older, then what the client's queue had no room for."""
        self._producer.poll(0)
        deadline = time.monotonic() + SUSPECTS_BUDGET
        while self._suspects and self._retry_at <= time.monotonic() < deadline:
            self._write_suspects()
        self._write_queue()

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Whether all that was written is acknowledged now (what waits to be written is not part of it)."""
        remaining = self._producer.flush(timeout)
        self._sort_out()
        if remaining:
            return False
        self.acknowledged["succeeded"] += sum(len(plain.values) for plain in self._plain)
        self.acknowledged.update(output.outcome for output in self._special if output.outcome)
        self._plain.clear()
        self._special.clear()
        self._recount()
        return True

    def open_offsets(self) -> Iterator[tuple[Partition, int]]:
        """The messages whose records are not acknowledged."""
        for plain in self._plain:
            for record in plain.records:
                yield plain.partitions[record[0]], record[1]
        for group in (self._special, self._queue, *self._suspects):
            for output in group:
                yield output.partition, output.source[1]

    def drop_revoked(self) -> None:
        """Forgets what was not written for partitions that were given up: their next owner runs the messages again."""
        self._queue = deque(output for output in self._queue if not output.partition.revoked)
        groups = ([output for output in group if not output.partition.revoked] for group in self._suspects)
        self._suspects = deque(group for group in groups if group)
        self._recount()

    def _recount(self) -> None:
        groups = (self._special, self._queue, *self._suspects)
        self._written = sum(len(plain.values) for plain in self._plain) + len(self._special)
        self.bytes = sum(plain.bytes for plain in self._plain) + sum(each.bytes for group in groups for each in group)

    def _write_queue(self) -> None:
        while self._queue and not self._suspects:
            output = self._queue[0]
            try:
                error = self._produce(output)
            except BufferError:
                return
            if error is None:
                self._special.append(output)
                self._written += 1
                self._queue.popleft()
            else:
                self._queue.popleft()
                self._suspects.append([output])

    def _produce(self, output: Output) -> KafkaError | None:
        """Hands the record to the client; the error where that takes it not at all. BufferError when it is full.

        Reports of failed delivery carry no headers, so they are told apart by a callback for each such record.
        """
        try:
            self._producer.produce(
                output.topic,
                output.value,
                output.key,
                partition=output.target,
                headers=output.headers or None,
                timestamp=output.timestamp,
                on_delivery=partial(self._special_failed, output),
            )
        except KafkaException as problem:
            error: KafkaError = problem.args[0]
            if error.fatal() or error.code() == KafkaError._FATAL:
                raise
            return error
        except (OverflowError, TypeError, ValueError) as problem:
            return KafkaError(KafkaError._INVALID_ARG, str(problem))
        return None

    def _plain_failed(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed_plain.append((message, error))

    def _special_failed(self, output: Output, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed_special.append((output, error))

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaException(error)
        log.debug("producer: %s", error.str())

    def _sort_out(self) -> None:
        """Moves the records that failed from those written to the suspects."""
        if not self._failed_plain and not self._failed_special:
            return
        some_error = (self._failed_plain or self._failed_special)[0][1]
        failed = {id(output) for output, _ in self._failed_special}
        suspects = [output for output in self._special if id(output) in failed]
        self._special = [output for output in self._special if id(output) not in failed]
        suspects += self._sort_out_plain()
        self._failed_plain.clear()
        self._failed_special.clear()
        suspects = [output for output in suspects if not output.partition.revoked]
        log.warning("%d records failed (%s): they are written again", len(suspects), some_error.str())
        if suspects:
            self._suspects.append(suspects)
        self._recount()

    def _sort_out_plain(self) -> Iterator[Output]:
        """Plain responses are matched by their content: two with the same content are each as good as the other."""
        wanted = Counter((message.topic(), message.key(), message.value()) for message, _ in self._failed_plain)
        for plain in self._plain:
            keep: list[tuple[Record, bytes]] = []
            for output in plain.outputs():
                content = output.topic, output.key, output.value
                if wanted[content] > 0:
                    wanted[content] -= 1
                    yield output
                else:
                    keep.append((output.source, output.value or b""))
            plain.records = [record for record, _ in keep]
            plain.values = [value for _, value in keep]

    def _write_suspects(self) -> None:
        """Writes one group of records with nothing else under way: so an error is of this group, or of its topic."""
        if not self.flush():
            return
        group = self._suspects.popleft()
        self._special += group
        self._written += len(group)
        for output in group:
            if error := self._produce(output):
                self._failed_special.append((output, error))
        if self._producer.flush(SUSPECTS_TIMEOUT):
            return  # the broker does not answer: what fails of them in the end becomes suspect again
        failures = self._failed_special[:]
        self._failed_special.clear()
        failed = {id(output) for output, _ in failures}
        self._special = [output for output in self._special if id(output) not in failed]
        self._judge([failure for failure in failures if not failure[0].partition.revoked])
        self._recount()

    def _judge(self, failures: Failures) -> None:
        """What failed waits for its topic, is refused if it was alone, or is written again in halves."""
        outputs = [output for output, _ in failures]
        waiting = [failure for failure in failures if not _is_own_fault(*failure)]
        if waiting:
            self._suspects.appendleft(outputs)
            self._wait_for(*waiting[0])
            return
        self._problem = None
        if len(outputs) == 1:
            self._refuse(*failures[0])
        elif outputs:
            middle = len(outputs) // 2
            self._suspects.extendleft((outputs[middle:], outputs[:middle]))

    def _refuse(self, output: Output, error: KafkaError) -> None:
        instead = self._refused(output, error)
        if instead is output:  # it is as small as it can be
            self._wait_for(output, error)
        if instead is not None:
            self._suspects.appendleft([instead])

    def _wait_for(self, output: Output, error: KafkaError) -> None:
        self._retry_at = time.monotonic() + RETRY_INTERVAL
        self._problem = (output.topic, f"the topic {output.topic} takes no records ({error.str()})")
        log.warning("%s: writing is repeated", self._problem[1])


def _is_own_fault(output: Output, error: KafkaError) -> bool:
    if error.code() == KafkaError._UNKNOWN_PARTITION:
        return output.target >= 0  # the function asked for it
    return error.code() in _REFUSED
