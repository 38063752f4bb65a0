"""The guarantee ExactlyOnce: records and the offsets of the messages they answer go in one transaction.

A transaction begins at its first record. One that is aborted is written again, without running anything again; of one
whose end is not known the group's offsets tell whether it was committed.
"""

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from kafkatrigger.consumer import verdicts
from kafkatrigger.consumer.commits import Positions
from kafkatrigger.consumer.fitting import Said, admissible, said
from kafkatrigger.consumer.journal import Journal
from kafkatrigger.consumer.offsets import Position
from kafkatrigger.consumer.outbox import Callbacks, Committer, Connections, Outbox
from kafkatrigger.consumer.output import Entry, Output, Plain, live, live_outputs, outputs_of
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.probe import Report
from kafkatrigger.consumer.transaction import FLUSH_TIMEOUT, Ending, State, Transaction

log = logging.getLogger(__name__)

COMMIT_BUDGET = 0.5
"""Seconds that one call may go on with further transactions, of records that failed."""

LAST_COMMIT = 5.0
"""Seconds to end the transaction before a partition is given up."""


class _Commit(msgspec.Struct, frozen=True):
    """What a transaction says of a partition."""

    partition: Partition
    at: Position
    said: Said
    number: int
    with_results: bool

    @property
    def offset(self) -> TopicPartition:
        where = self.partition
        return TopicPartition(
            where.topic, where.number, self.said.position.watermark, self.said.text, where.leader_epoch
        )


class ExactlyOnce(Outbox):
    """What is in the open transaction counts as terminal for its own commit.

    Results that the metadata of a commit has no room for wait outside, by partition, the lowest offsets first.
    """

    def __init__(self, connections: Connections, callbacks: Callbacks, transactional_id: str) -> None:
        super().__init__(connections, callbacks)
        self._batch_bytes = self._limits.batch_bytes
        self._transaction = Transaction(transactional_id, self._connect)
        self._outside: dict[Partition, list[Output]] = {}
        self._commits: list[_Commit] = []
        self._is_unknown = False
        self._counts_journal = True

    @property
    def problems(self) -> dict[str, str]:
        """As everywhere; under an empty name, why there are no transactions."""
        problem = self._transaction.problem
        return {**super().problems, **({"": problem} if problem else {})}

    @property
    def full(self) -> bool:
        """As everywhere; what comes while a transaction is being committed waits for the next one."""
        if self._transaction.state is State.COMMITTING:
            return self._is_group
        return super().full or self._transaction.state is State.ABORTING or self._is_unknown

    def pump(self) -> None:
        """As everywhere."""
        self._poll()
        self._pump_common()
        if self._transaction.state is State.COMMITTING:
            self._finish()
        if self._transaction.state is State.ABORTING or self._is_doomed():
            self._abort()
        if self._transaction.is_ready() and not self._is_unknown:
            self._renew()
            if self._is_time_for_group():
                self._write_group()
            self._write_pending()

    def open_offsets(self) -> Iterator[tuple[Partition, int]]:
        """What is not in the transaction that is being committed."""
        if self._counts_journal:
            yield from self._journal.offsets()
        yield from self._waiting_offsets()

    def commit(self, source: Committer, positions: Callable[[], Positions]) -> bool:
        """As everywhere: it begins to commit the open transaction, and a later call or `pump` sees the end."""
        deadline = time.monotonic() + COMMIT_BUDGET
        while True:
            if self._is_time_for_group() and self._transaction.is_ready():
                self._write_group()
            is_done = self._advance(source, positions)
            if not self._groups and (is_done or not self._is_group):
                return is_done
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not (is_done or self._transaction.wait(remaining)):
                return False

    def commit_last(
        self,
        source: Committer,
        positions: Callable[[], Positions],
        leaving: Collection[Partition],  # noqa: ARG002 - a transaction has results of the others, too
    ) -> bool:
        """As everywhere. What did not come to its end in time is never committed for a partition that was given up."""
        deadline = time.monotonic() + LAST_COMMIT
        while True:
            self.pump()
            if self.commit(source, positions) and not self._pending:
                return True
            if time.monotonic() > deadline:
                return False
            self._transaction.wait(0.1)

    # Writing

    def _writer(self) -> Producer:
        self._transaction.begin()
        return self._transaction.producer

    def _poll(self) -> None:
        """Takes reports. A fatal error is for the next call of the transaction to judge."""
        try:
            self._transaction.producer.poll(0)
        except KafkaException as problem:
            log.debug("producer: %s", problem.args[0].str())

    def _report_of(self, output: Output) -> Report | None:
        """A failed record fails its transaction, which does not say which it was: only a group is asked that.

        Reports are taken by whatever thread waits for the commit: 50,000 of them would have the loop wait for each.
        """
        return super()._report_of(output) if self._is_group else None

    def _connect(self) -> Producer:
        return Producer({**self._settings(), **self._hooks()})

    def _is_open(self) -> bool:
        if self._groups or self._is_group or self._is_unknown or self._journal.has_failures:
            return False
        return self._transaction.state in (State.READY, State.OPEN)

    def _is_ordinary(self, plain: Plain) -> bool:
        return not self._outside.keys() & plain.partitions and super()._is_ordinary(plain)

    def _send(self, output: Output, queue: deque[Output] | deque[Entry]) -> bool:
        """Results of a partition that has some outside wait there as well: later ones make more gaps."""
        if output.partition in self._outside:
            self._outside[output.partition].append(output)
            return True
        return super()._send(output, queue)

    def _produce(self, output: Output) -> bool:
        """As everywhere; room in the client is made at once: a transaction takes all records of a message, or none."""
        return super()._produce(output) or (self._flushed() and super()._produce(output))

    def _flushed(self) -> bool:
        return bool(self._transaction.producer.flush(FLUSH_TIMEOUT) == 0)

    def _elsewhere(self) -> Iterable[Iterable[Output]]:
        return self._outside.values()

    def _renew(self) -> None:
        """Batches must not be larger than the topics take, which is known only later, and may change."""
        if self._batch_bytes != self._limits.batch_bytes and self._transaction.state is State.READY:
            self._batch_bytes = self._limits.batch_bytes
            self._transaction.restart()

    def _recovered(self, outputs: list[Output], probed: Output | None) -> None:  # noqa: ARG002
        self._write_first(live_outputs(outputs))  # all of them: the probe was aborted

    def _on_error(self, error: KafkaError) -> None:
        log.debug("producer: %s", error.str())

    def drop_revoked(self) -> None:
        self._outside = {partition: outputs for partition, outputs in self._outside.items() if not partition.revoked}
        super().drop_revoked()

    # Ending a transaction

    def _advance(self, source: Committer, positions: Callable[[], Positions]) -> bool:
        """Goes on with the end of the transaction; whether it is committed, or there is nothing to commit."""
        transaction = self._transaction
        if transaction.state is State.COMMITTING:
            return self._finish()
        if transaction.state is State.ABORTING or self._is_doomed():
            self._abort()
            return False
        if not transaction.is_ready() or (self._is_unknown and not self._find_out(source)):
            return False
        if self._is_torn():
            return False
        if not self._prepare(positions):
            self._abort()
            return False
        if not self._commits:
            return True
        return self._begin_to_commit(source)

    def _begin_to_commit(self, source: Committer) -> bool:
        self._transaction.begin()
        if self._transaction.state is not State.OPEN:
            return False
        for commit in self._commits:
            commit.partition.commits_sent = commit.number
        self._transaction.commit([commit.offset for commit in self._commits], source.group_metadata())
        return False

    def _is_doomed(self) -> bool:
        """Whether the open transaction must not be committed."""
        return self._journal.has_failures and self._transaction.state is not State.COMMITTING and not self._is_unknown

    def _prepare(self, positions: Callable[[], Positions]) -> bool:
        """Decides what the transaction says; whether all results in it are spoken of. The others wait outside."""
        now = self._positions(positions)
        if self._outside and not (self._groups or self._is_group):  # what is in groups is older
            self._admit(dict(now))
            now = self._positions(positions)
        written = self._journal.partitions()
        found = [self._commit_of(partition, at, partition in written) for partition, at in now]
        self._commits = [commit for commit in found if commit is not None]
        unspoken = written - {commit.partition for commit in self._commits}
        for partition in unspoken:
            if not partition.revoked:
                log.info("%s: results wait until there are fewer gaps below them", partition.name)
                self._outside.setdefault(partition, [])
        return not unspoken

    def _positions(self, positions: Callable[[], Positions]) -> Positions:
        self._counts_journal = False
        try:
            return [(partition, at) for partition, at in positions() if not partition.revoked]
        finally:
            self._counts_journal = True

    def _commit_of(self, partition: Partition, at: Position, with_results: bool) -> _Commit | None:
        """None where nothing changed, or where it would not speak of a result, published now or earlier."""
        if at == partition.told and not with_results:
            partition.nothing_new()
            return None
        found = said(partition.origin, at)
        if found.position.bound < at.bound:
            results = [offset + 1 for of, offset in self._journal.offsets() if of is partition]
            if found.position.bound < min(at.bound, max([_floor(partition), *results])):
                return None
        return _Commit(partition, at, found, partition.commits_sent + 1, with_results)

    def _admit(self, positions: dict[Partition, Position]) -> None:
        """Writes of the results outside those that a commit can speak of."""
        waiting, self._outside = self._outside, {}
        for partition, outputs in waiting.items():
            offsets = sorted({output.source[1] for output in outputs})
            at = positions.get(partition)
            count = admissible(partition.origin, at, offsets, _floor(partition)) if at else 0
            end = offsets[count] if count < len(offsets) else offsets[-1] + 1 if offsets else 0
            # In the order of the log, or those for which the client has room might be some that a commit cannot speak of.
            admitted = deque(sorted([each for each in outputs if each.source[1] < end], key=_offset))
            while admitted and self._send(admitted.popleft(), admitted):
                pass
            self._pending.extendleft(reversed(admitted))  # the client has no room for them
            if left := [output for output in outputs if output.source[1] >= end]:
                self._outside[partition] = left

    def _is_torn(self) -> bool:
        """Whether a message has records in the transaction and more to come: they must be in one."""
        waiting = self._groups[0] if self._groups else self._pending
        return bool(self._journal.entries and waiting) and _is_of_one(self._journal.entries[-1], waiting[0])

    def _is_time_for_group(self) -> bool:
        return bool(self._groups) and (not self._journal.entries or self._is_torn())

    def _finish(self) -> bool:
        ending = self._transaction.ending()
        if ending is Ending.COMMITTED:
            self._committed()
            return True
        if ending is Ending.UNKNOWN:
            self._is_unknown = True
        elif ending is Ending.ABORTED:
            self._abort()
        return False

    def _committed(self) -> None:
        for commit in self._commits:
            commit.partition.told = commit.at
            commit.partition.committed = commit.said.position
            commit.partition.commits_done = commit.number
        journal, _ = self._taken()
        self._acknowledge(journal)

    def _taken(self) -> tuple[Journal, bool]:
        taken = self._journal, self._is_group
        self._journal, self._is_group, self._commits = Journal(), False, []
        return taken

    def _abort(self) -> None:
        """Aborts; then what was in the transaction is written again, but of partitions that were given up."""
        if not self._transaction.abort():
            return
        self._poll()  # what is still to be reported is of this journal
        error = self._transaction.error
        journal, was_group = self._taken()
        if error is not None:
            log.warning("a transaction was aborted (%s): its results are written again", error.str())
        if journal.has_failures or was_group or (error is not None and not verdicts.is_of_member(error)):
            self._sort_out(journal, was_group, error)
        else:
            self._pending.extendleft(reversed(list(live(journal.entries))))
        self._recount()

    def _sort_out(self, journal: Journal, was_group: bool, error: KafkaError | None) -> None:
        outputs, failures = journal.judged()
        while outputs and self._pending and _is_of_one(outputs[-1], self._pending[0]):  # or they would be in two
            outputs += outputs_of([self._pending.popleft()])
        alive = live_outputs(outputs)
        reasons = [each for each in failures if not each[0].partition.revoked and not verdicts.is_consequence(each[1])]
        if not reasons and error is not None and not verdicts.is_of_member(error):
            groups = _apart(alive)
            if len(groups) > 1 or not (was_group or verdicts.is_of_topic(error)):
                self._groups.extendleft(reversed(groups))  # of each of them more will be known
                return
            reasons = [(output, error) for output in {each.topic: each for each in reversed(alive)}.values()]
        again = self._judge(alive, reasons, was_group)
        if was_group and again:
            self._groups.appendleft(again)
        else:
            self._pending.extendleft(reversed(again))

    def _find_out(self, source: Committer) -> bool:
        """Whether it is known by now how the last transaction ended; what was not committed is written again."""
        witnesses = {commit.partition: commit for commit in self._commits if commit.with_results}
        alive = [partition for partition in witnesses if not partition.revoked]
        try:
            stored = source.committed(alive) if alive else {}
        except KafkaException as problem:
            log.warning("it is still not known whether a transaction was committed (%s)", problem.args[0].str())
            return False
        # Its commit differs from the one before: a message that was open is terminal.
        is_committed = any(_is_stored(witnesses[partition], found) for partition, found in stored.items())
        log.warning("the transaction was %s", "committed" if is_committed else "not committed: it is written again")
        self._is_unknown = False
        if is_committed:
            self._committed()
        else:
            self._abort()
        return True


def _floor(partition: Partition) -> int:
    """Below this, messages may be terminal by a commit: none may say less."""
    return partition.committed.bound if partition.committed is not None else 0


def _is_of_one(entry: Entry, other: Entry) -> bool:
    """Whether they answer the same message."""
    return isinstance(entry, Output) and isinstance(other, Output) and entry.source is other.source


def _is_stored(commit: _Commit, stored: tuple[int, str]) -> bool:
    return stored == (commit.said.position.watermark, commit.said.text)


def _offset(output: Output) -> int:
    return output.source[1]


def _apart(outputs: list[Output]) -> list[list[Output]]:
    """By topic; topics to which a message goes together are one."""
    joined: dict[str, set[str]] = {}
    for output in outputs:
        together = set().union(*(joined.get(topic, {topic}) for topic in output.topics))
        joined.update(dict.fromkeys(together, together))
    groups: dict[int, list[Output]] = defaultdict(list)
    for output in outputs:
        groups[id(joined[output.topic])].append(output)
    return list(groups.values())
