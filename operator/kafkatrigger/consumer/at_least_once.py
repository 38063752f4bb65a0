"""The guarantee AtLeastOnce: a message is terminal once its records are acknowledged, and committed after that."""

import logging
import time
from collections.abc import Callable, Collection, Iterator

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kafkatrigger.consumer.commits import Positions
from kafkatrigger.consumer.journal import Journal
from kafkatrigger.consumer.outbox import Callbacks, Committer, Connections, Outbox
from kafkatrigger.consumer.output import Output, live_outputs
from kafkatrigger.consumer.partition import Partition

log = logging.getLogger(__name__)

FLUSH_TIMEOUT = 0.5
"""Seconds that a commit may wait for acknowledgements; what does not come is waited for at the next one."""

RESOLVE_BUDGET = 0.3
"""Seconds of one turn that may be spent on records that failed."""

LAST_FLUSH = 3.0
"""Seconds to have everything acknowledged before a partition is given up."""


class AtLeastOnce(Outbox):
    """Acknowledgements come with a flush: without waiting for each, and without a stop for other records to overtake."""

    def __init__(self, connections: Connections, callbacks: Callbacks) -> None:
        super().__init__(connections, callbacks)
        self._batch_bytes = self._limits.batch_bytes
        self._producer = self._connect()

    def _connect(self) -> Producer:
        return Producer({**self._settings(), **self._hooks(), "on_delivery": self._delivered_plain})

    def _delivered_plain(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._journal.failed_plain(message, error)

    def _writer(self) -> Producer:
        return self._producer

    def _is_open(self) -> bool:
        return not (self._groups or self._is_group or self._journal.has_failures)

    def pump(self) -> None:
        """Writes what waits: first what failed, since it is older, then what the client's queue had no room for."""
        self._producer.poll(0)
        # With nothing left in the client all is acknowledged: no need to wait for a commit to see it.
        if self._journal.records and not len(self._producer):
            self._flush(0)
        self._settle_delivered()
        self._pump_common()
        self._resolve()
        self._renew()
        self._write_pending()

    def commit(self, source: Committer, positions: Callable[[], Positions]) -> bool:
        """As everywhere; what is not acknowledged by now is not committed, and keeps nothing else from it."""
        flushed = self._flush(FLUSH_TIMEOUT)
        source.commit(positions())
        return flushed

    def commit_last(
        self, source: Committer, positions: Callable[[], Positions], leaving: Collection[Partition]
    ) -> bool:
        """As everywhere. What does not get acknowledged in time is run again by the next owner."""
        deadline = time.monotonic() + LAST_FLUSH
        while (self.full or self._journal.records) and time.monotonic() < deadline:
            self.pump()
            self._flush(RESOLVE_BUDGET)
        return source.commit_last([(partition, at) for partition, at in positions() if partition in leaving])

    def open_offsets(self) -> Iterator[tuple[Partition, int]]:
        """Whatever is not acknowledged."""
        yield from self._journal.offsets()
        yield from self._waiting_offsets()

    def _settle_delivered(self) -> None:
        """Lanes that wait for a record go on as soon as it is written, not only at the next flush."""
        delivered, self._journal.delivered = self._journal.delivered, []
        for output in delivered:
            output.awaited = False
            self._callbacks.settled(output)

    def _resolve(self) -> None:
        """Writes again what failed, for a while."""
        deadline = time.monotonic() + RESOLVE_BUDGET
        while not self._is_open() and time.monotonic() < deadline:
            if not self._flush(RESOLVE_BUDGET):
                return
            if self._groups:
                self._write_group()

    def _renew(self) -> None:
        """Batches must not be larger than the topics take, which is known only later, and may change."""
        if self._batch_bytes != self._limits.batch_bytes and not self._journal.records:
            self._batch_bytes = self._limits.batch_bytes
            self._producer = self._connect()

    def _flush(self, timeout: float) -> bool:
        """Whether all that was written is acknowledged now, or known to have failed."""
        if not self._journal.records:
            self._is_group = False
            return True
        if self._producer.flush(timeout):
            return False
        journal, was_group = self._journal, self._is_group
        self._journal, self._is_group = Journal(), False
        if journal.has_failures:
            self._sort_out(journal, was_group)
        else:
            self._acknowledge(journal)
        return True

    def _sort_out(self, journal: Journal, was_group: bool) -> None:
        outputs, failures = journal.judged()
        blamed = {id(output) for output, _ in failures}
        done = Journal()
        for output in outputs:
            if id(output) not in blamed:
                done.add(output)
        self._acknowledge(done)
        alive = [(output, error) for output, error in failures if not output.partition.revoked]
        self._pending.extendleft(reversed(self._judge([output for output, _ in alive], alive, was_group)))
        self._recount()

    def _recovered(self, outputs: list[Output], probed: Output | None) -> None:
        if probed is not None and probed in outputs:
            outputs.remove(probed)
            done = Journal()
            done.add(probed)
            self._acknowledge(done)
        self._write_first(live_outputs(outputs))

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaException(error)
        log.debug("producer: %s", error.str())
