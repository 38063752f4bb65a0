"""The outbox: responses and dead letters, written and acknowledged.

A message is terminal once what it led to is acknowledged. Acknowledgements need no callback for each record: errors are
reported, and whatever was produced before a completed flush (or transaction) without one is acknowledged.

An error names a batch, not a culprit: a record that was too large fails its innocent neighbours. So the size is checked
before, what failed for another reason is written again in parts, and only what fails alone is refused: one message, with
all that answers it.

A record is always in one place: pending, in the journal (handed to the client), in a group (to be written alone), or
held (its topic refuses writes)::

    respond, write ──▶ pending ──▶ journal ──▶ acknowledged
                          ▲          │ failed
                          │          ├─▶ groups ──▶ journal, nothing else beside it
                          └── held ◀─┘
"""

import logging
import os
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import chain
from operator import length_hint
from typing import Protocol

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.consumer import probe, verdicts
from kafkatrigger.consumer.commits import Positions
from kafkatrigger.consumer.histogram import Histogram
from kafkatrigger.consumer.holding import Holding
from kafkatrigger.consumer.journal import Journal
from kafkatrigger.consumer.limits import Limits
from kafkatrigger.consumer.output import Entry, Output, Plain, live, live_outputs, offsets_of, tie
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.verdicts import Failure
from kafkatrigger.kafka import client, topics
from kafkatrigger.kafka.admin import Admin

log = logging.getLogger(__name__)

POD_UID = "KAFKATRIGGER_POD_UID"


class Committer(Protocol):
    """What commits the positions of partitions: the source."""

    def commit(self, positions: Positions) -> None:
        """Commits what changed, without waiting."""

    def commit_last(self, positions: Positions) -> bool:
        """Commits and waits for the broker; whether it worked."""

    def group_metadata(self) -> object:
        """What the broker knows the member by at this moment."""

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, str]]:
        """Offsets and metadata that the broker has; KafkaException where it does not answer."""


class Callbacks(msgspec.Struct, frozen=True):
    """What the outbox tells of single records."""

    refused: Callable[[Output, KafkaError], Output | None]
    """Its topic will never take this record. What is returned (a dead letter, say) is written in its place; the same
    again says that it is as small as it can be."""
    held: Callable[[Output], None]
    """The record has to wait, since its topic refuses writes."""
    settled: Callable[[Output], None]
    """A record that had to wait, or what was written in its place, is acknowledged."""


class Connections(msgspec.Struct, frozen=True):
    """How to reach the brokers: all that the outbox needs of the world."""

    settings: Callable[[int], client.Configuration]
    """Of the producer, by the bytes of its largest batch."""
    probe: probe.Probe
    limits: Limits


def connections(config: ConsumerConfig, transactional_id: str = "") -> Connections:
    """Those of a trigger; with transactions where there is an id for them."""
    common = client.connection(config.bootstrap_servers, config.connection_options)
    admin = Admin(common)
    targets = {config.dead_letter.topic, *(each.topic for each in config.result_topics)}
    test = partial(probe.write_and_abort, f"{transactional_id}.probe") if transactional_id else probe.write

    # Responses with plots are large, and a tenth of that compressed; of small ones it would cost a part of the throughput.
    is_compressed = config.transforming is not None

    def settings(batch_bytes: int) -> client.Configuration:
        plain = client.outbox(common, config.max_buffered_bytes, batch_bytes, is_compressed=is_compressed)
        return client.transactional(plain, transactional_id) if transactional_id else plain

    return Connections(
        settings=settings,
        probe=probe.probe(test, client.outbox(common, config.max_buffered_bytes, is_compressed=is_compressed)),
        limits=Limits(sorted(targets), partial(topics.ask_settings, admin)),
    )


def transactional_id(group_id: str) -> str:
    """One for each pod: a pod that comes back is the same, and nobody else is."""
    return f"{group_id}.{os.environ.get(POD_UID) or uuid.uuid4()}"


class Outbox(ABC):
    """Writes records and knows which are not acknowledged yet. How they become so is the guarantee's business."""

    def __init__(self, connections: Connections, callbacks: Callbacks) -> None:
        self._connections = connections
        self._callbacks = callbacks
        self._limits = connections.limits
        self._holding = Holding(connections.probe, callbacks.held)
        self._pending: deque[Entry] = deque()
        self._groups: deque[list[Output]] = deque()
        self._journal = Journal()
        self._is_group = False
        """The journal is a group, so what fails of it is a part of what failed before."""
        self.bytes = 0
        """Held by what is not acknowledged."""
        self.acknowledged: Counter[str] = Counter()
        """Messages that became terminal, by outcome."""
        self.latency = Histogram()
        """Seconds from the timestamp of a message to the acknowledgement of its response."""

    # What the engine asks

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with each topic that refuses writes, and what to do."""
        return self._holding.problems

    @property
    def full(self) -> bool:
        """Nothing more should be run: what has been answered cannot be written at the moment."""
        return bool(self._pending or self._groups or self._is_group)

    @property
    def unacknowledged(self) -> int:
        """Records written and not known to be acknowledged."""
        return self._journal.records

    @abstractmethod
    def pump(self) -> None:
        """Each turn of the loop: takes reports, writes what waits and what failed. Never takes longer than a moment."""

    @abstractmethod
    def commit(self, source: Committer, positions: Callable[[], Positions]) -> bool:
        """Commits what is acknowledged; whether nothing is left to do. Takes a second at most, and goes on at the next call.

        `positions` is called when it is known what is acknowledged; it takes `open_offsets` for not terminal. It has to
        name all partitions that are assigned.
        """

    @abstractmethod
    def commit_last(
        self, source: Committer, positions: Callable[[], Positions], leaving: Collection[Partition]
    ) -> bool:
        """The same for the last time of the partitions that are leaving, with waiting for it, but not for ever; whether it
        worked.
        """

    @abstractmethod
    def open_offsets(self) -> Iterator[tuple[Partition, int]]:
        """The messages that a commit must not call terminal."""

    def _waiting_offsets(self) -> Iterator[tuple[Partition, int]]:
        """The messages whose records were not handed to the client."""
        for entry in self._pending:
            yield from offsets_of(entry)
        for output in chain(self._holding, *self._groups, *self._elsewhere()):
            yield output.partition, output.source[1]

    # Writing

    def respond(self, plain: Plain) -> None:
        """Writes the responses of the ordinary kind: the data path's inner loop."""
        self.bytes += plain.size
        if self._pending or not self._may_write() or not self._is_ordinary(plain):
            self._pending.append(plain)
            self._write_pending()
        else:
            self._send_plain(plain)

    def write(self, *outputs: Output) -> None:
        """Writes what answers one message, behind those that already wait."""
        tie(outputs)
        self.bytes += sum([output.size for output in outputs])
        self._pending.extend(outputs)
        self._write_pending()

    def drop_revoked(self) -> None:
        """Forgets what was not written for partitions that were given up: their next owner runs the messages again."""
        self._pending = deque(live(self._pending))
        self._groups = deque(group for each in self._groups if (group := live_outputs(each)))
        self._holding.drop_revoked()
        self._recount()

    def _recount(self) -> None:
        places: tuple[Iterable[Entry], ...] = (self._pending, self._holding, *self._groups, *self._elsewhere())
        self.bytes = self._journal.size + sum(entry.size for place in places for entry in place)

    def _elsewhere(self) -> Iterable[Iterable[Output]]:
        """Where the guarantee keeps records besides."""
        return ()

    @abstractmethod
    def _writer(self) -> Producer:
        """The producer, ready to take a record."""

    @abstractmethod
    def _is_open(self) -> bool:
        """Whether something may be written now."""

    def _may_write(self) -> bool:
        return self._limits.heard and self._is_open()

    def _is_ordinary(self, plain: Plain) -> bool:
        """Whether the responses need no look at each of them."""
        return plain.topic not in self._holding and self._limits.admits(plain)

    def _send_plain(self, plain: Plain) -> bool:
        """What the client does not take stays pending; False where it has no room for it."""
        produce, topic = self._writer().produce, plain.topic
        values = iter(plain.values)
        problem: BufferError | KafkaException | None = None
        try:
            for value, record in zip(values, plain.records, strict=True):
                produce(topic, value, record[4])
        except (BufferError, KafkaException) as raised:
            problem = raised
            left = plain.rest(len(plain.values) - length_hint(values) - 1)
            # A record that the client refuses is looked at by itself.
            self._pending.extendleft([left] if isinstance(raised, BufferError) else [left.rest(1), *left.outputs()])
        if plain.values:
            self._journal.add_plain(plain)
        return not isinstance(problem, BufferError)

    def _write_pending(self) -> None:
        while self._pending and self._may_write():
            entry = self._pending.popleft()
            if isinstance(entry, Output):
                if not self._send(entry, self._pending):
                    return
            elif not self._is_ordinary(entry):
                self._pending.extendleft(reversed(self._one_by_one(entry)))
            elif not self._send_plain(entry):
                return

    def _one_by_one(self, plain: Plain) -> list[Output]:
        """The same responses; what they hold together was an estimate."""
        outputs = list(plain.outputs())
        self.bytes += sum([output.size for output in outputs]) - plain.size
        return outputs

    def _write_group(self) -> None:
        """Writes the next group, with nothing else under way: so an error is of this group, or of its topic."""
        group = deque(live_outputs(self._groups.popleft()))
        self._is_group = True
        while group and self._send(group.popleft(), group):
            pass
        if group:  # no room: the rest is written behind it
            self._groups.appendleft(list(group))
        self._is_group = self._journal.records > 0

    def _send(self, output: Output, queue: deque[Output] | deque[Entry]) -> bool:
        """Writes a record, or puts it where it has to wait.

        Where the client has no room for it, which is False, or something is written in its place, that comes first in
        the queue: before later results of its key.
        """
        excess = self._limits.excess(output) if output.is_first else None
        if output.several is not None and output.several.refused:
            self._drop(output)
        elif excess is not None:
            topic, why = excess
            culprit = msgspec.structs.replace(output, topic=topic)
            queue.extendleft(self._refuse(culprit, KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, why)))
        elif self._holding.has_to_wait(output):
            self._holding.hold(output)
        elif not self._produce(output):
            queue.appendleft(output)
            return False
        return True

    def _produce(self, output: Output) -> bool:
        """Hands the record to the client. Reports carry no headers, so such records are not told apart by content."""
        error: KafkaError | None = None
        try:
            probe.produce(self._writer(), output, self._report_of(output))
        except BufferError:
            return False
        except KafkaException as problem:
            error = problem.args[0]
        except (OverflowError, TypeError, ValueError) as problem:
            error = KafkaError(KafkaError._INVALID_ARG, str(problem))
        self._journal.add(output)
        if error is not None:
            self._journal.failed(output, error)
        return True

    def _report_of(self, output: Output) -> probe.Report | None:
        """What is to be called when the record is written or not; None where that is known otherwise."""
        return partial(_delivered, self._journal, output)

    def _settings(self) -> client.Configuration:
        return self._connections.settings(self._limits.batch_bytes)

    def _hooks(self) -> dict[str, object]:
        """What a producer tells."""
        return {"error_cb": self._on_error, "logger": logging.getLogger("librdkafka")}

    @abstractmethod
    def _on_error(self, error: KafkaError) -> None:
        """What the client reports apart from records."""

    # What became of it

    def _acknowledge(self, journal: Journal) -> None:
        """All of it is written for good."""
        self.bytes -= journal.size
        self.acknowledged.update(journal.counts())
        now = time.time()
        for timestamp, count in journal.ages():
            self.latency.observe(max(0.0, now - timestamp / 1000), count)
        for output in journal.awaited():
            self._callbacks.settled(output)

    def _judge(self, outputs: list[Output], failures: list[Failure], was_group: bool) -> list[Output]:
        """Decides about records that are not written, of which some failed; those that failed for no reason of theirs.

        What failed because of its topic waits for that; else what failed alone is refused, and more are written again
        in parts.
        """
        now = time.monotonic()
        for output, error in failures:
            if verdicts.is_own_fault(output, error):
                if error.code() in verdicts.TOO_LARGE:
                    self._limits.doubt(output.topic)
            elif not verdicts.is_consequence(error):
                self._holding.refuse(output.topic, error, now)
        for output in outputs:
            if self._holding.has_to_wait(output):
                self._holding.hold(output)
        rest = [output for output in outputs if not self._holding.has_to_wait(output)]
        culprits = [
            (output, error)
            for output, error in failures
            if verdicts.is_own_fault(output, error) and not self._holding.has_to_wait(output)
        ]
        if not culprits:
            return rest
        log.warning("%d of %d records failed (%s): they are written again in parts",
                    len(culprits), len(rest), culprits[0][1].str())  # fmt: skip
        if was_group and rest[0].source is rest[-1].source:
            culprit, error = culprits[0]
            self._write_first(self._refuse(culprit, error))
            return [output for output in rest if output is not culprit]  # to be dropped
        self._groups.extendleft(reversed(verdicts.split(rest, [output for output, _ in culprits])))
        return []

    def _refuse(self, output: Output, error: KafkaError) -> list[Output]:
        """The message failed alone; nothing more is written of what answers it but what is returned."""
        if output.several is not None:
            output.several.refused = True
        instead = self._callbacks.refused(output, error)
        if instead is None:
            self._drop(output)
            return []
        self.bytes -= output.size
        self.bytes += instead.size
        if instead is output:
            self._holding.refuse(output.topic, error, time.monotonic(), by_fault=True)
            self._holding.hold(output)
            return []
        instead.awaited = output.awaited
        return [instead]

    def _drop(self, output: Output) -> None:
        """It is not written."""
        self.bytes -= output.size
        if output.awaited:
            self._callbacks.settled(output)

    def _pump_common(self) -> None:
        now = time.monotonic()
        self._limits.pump(now)
        for recovered in self._holding.pump(now):
            self._recovered(recovered.outputs, recovered.probed)

    def _write_first(self, outputs: list[Output]) -> None:
        """What was held, or is written in the place of what failed, is older than what is in groups, and that is older than
        what is pending.
        """
        if self._groups and outputs:
            self._groups.appendleft(outputs)
        else:
            self._pending.extendleft(reversed(outputs))

    @abstractmethod
    def _recovered(self, outputs: list[Output], probed: Output | None) -> None:
        """A topic takes records again: these are written now. One of them was taken as the probe."""


def _delivered(journal: Journal, output: Output, error: KafkaError | None, _: Message) -> None:
    if error is not None:
        journal.failed(output, error)
    elif output.awaited:
        journal.delivered.append(output)
