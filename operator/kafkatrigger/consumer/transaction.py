"""A producer with transactions, whose calls never hold up the loop for longer than a moment.

The client's calls may be repeated after a time-out: they go on where they were. So each is given a short time, and called
again at the next turn.

A transaction ends in one of three ways: committed, aborted, or *unknown*, when the broker did not answer the commit. The
same id initialised anew makes the coordinator finish or abort what is open, and after that the group's offsets say which.
"""

import logging
import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from kafkatrigger.kafka.client import TRANSACTION_TIMEOUT

log = logging.getLogger(__name__)

CALL_TIMEOUT = 0.5
"""Seconds of one call."""

PATIENCE = TRANSACTION_TIMEOUT + 2.0
"""Seconds to wait for the end of a transaction before it is given up, and the producer with it."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
"""Seconds between two attempts to be allowed transactions."""


class FencedError(Exception):
    """Another producer has this one's transactional id; the message names it and says what to do."""


class State(Enum):
    """Where the producer is."""

    STARTING = auto()
    READY = auto()
    OPEN = auto()
    COMMITTING = auto()
    ABORTING = auto()


class Ending(Enum):
    """How far the end of a transaction is."""

    COMMITTED = auto()
    ABORTED = auto()
    UNKNOWN = auto()
    UNFINISHED = auto()


class Transaction:
    """One transaction after another under one id. `connect` makes a producer."""

    def __init__(self, transactional_id: str, connect: Callable[[], Producer]) -> None:
        self.id = transactional_id
        self._connect = connect
        self.producer = connect()
        self.state = State.STARTING
        self.problem = ""
        """Why there are no transactions, and what to do."""
        self.error: KafkaError | None = None
        """Why the last transaction was aborted, where the client said it."""
        self.aborts = 0
        """Transactions that were not committed."""
        self._begun = 0.0
        self._since = 0.0
        self._retry_at = 0.0
        self._pause = FIRST_PAUSE
        self._sent = False

    def is_ready(self) -> bool:
        """Whether a transaction may begin or is open; tries to get there otherwise."""
        if self.state is State.STARTING and time.monotonic() >= self._retry_at:
            self._initialise()
        return self.state in (State.READY, State.OPEN)

    def begin(self) -> None:
        """Opens a transaction, if none is open."""
        if self.state is State.READY:
            self._begun = time.monotonic()
            try:
                self.producer.begin_transaction()
            except KafkaException as problem:
                self._check_fenced(problem.args[0])
                log.warning("transactions begin anew (%s)", problem.args[0].str())
                self.restart()
                return
            self.error = None
            self.state = State.OPEN

    def commit(self, offsets: list[TopicPartition], metadata: Any) -> Ending:
        """Commits with these offsets. While it is unfinished it has to be called again, and nothing else."""
        if self.state is State.OPEN:
            self.state, self._since, self._sent = State.COMMITTING, time.monotonic(), False
        try:
            if offsets and not self._sent:
                self.producer.send_offsets_to_transaction(offsets, metadata, CALL_TIMEOUT)
            self._sent = True
            self.producer.commit_transaction(CALL_TIMEOUT)
        except KafkaException as problem:
            return self._not_committed(problem.args[0])
        self.state = State.READY
        return Ending.COMMITTED

    def abort(self) -> bool:
        """Whether the transaction, if there was one, is aborted now; while it is not, it has to be called again."""
        if self.state in (State.STARTING, State.READY):
            return True
        if self.state is not State.ABORTING:
            self.state, self._since = State.ABORTING, time.monotonic()
            self.aborts += 1
            # The coordinator has to know of the transaction, or the client takes its answer to the abort for a fatal
            # error (https://github.com/confluentinc/librdkafka/issues/4849).
            self.producer.flush(CALL_TIMEOUT)
        try:
            self.producer.abort_transaction(CALL_TIMEOUT)
        except KafkaException as problem:
            error = problem.args[0]
            self._check_fenced(error)
            if error.retriable() and not self._is_overdue():
                return False
            log.warning("a transaction was not aborted (%s): the producer is replaced, which aborts it", error.str())
            self.restart()
            return True
        self.state = State.READY
        return True

    def restart(self) -> None:
        """Another producer of the same id: once it is ready, what this one left open is finished or aborted."""
        old = self.producer
        self.producer = self._connect()
        self.state = State.STARTING
        # The end of a client waits for its threads.
        threading.Thread(target=_release, args=([old],), name="release", daemon=True).start()

    def _initialise(self) -> None:
        try:
            self.producer.init_transactions(CALL_TIMEOUT)
        except KafkaException as problem:
            error = problem.args[0]
            if error.code() == KafkaError._FENCED:
                raise self._fenced() from problem
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._retry_at = time.monotonic() + (FIRST_PAUSE if error.retriable() else self._pause)
            if not error.retriable():
                self.problem = (
                    f"transactions with the id {self.id} are not possible ({error.str()}): "
                    "let the trigger's user write and describe transactional ids with the group's name as prefix"
                )
                log.warning("%s", self.problem)
                self.restart()
            return
        self.state, self.problem, self._pause = State.READY, "", FIRST_PAUSE

    def _not_committed(self, error: KafkaError) -> Ending:
        if error.txn_requires_abort():
            self.error = error
            return Ending.ABORTED
        self._check_fenced(error)
        if error.retriable() and not self._is_overdue():
            return Ending.UNFINISHED
        self.error = error
        if not self._sent and not error.fatal():
            return Ending.ABORTED
        log.warning("it is not known whether a transaction was committed (%s)", error.str())
        self.restart()
        return Ending.UNKNOWN

    def _is_overdue(self) -> bool:
        return time.monotonic() - self._since > PATIENCE

    def _check_fenced(self, error: KafkaError) -> None:
        """FencedError, unless the broker itself did it: it also fences a transaction that is open for too long."""
        if error.code() == KafkaError._FENCED and time.monotonic() - self._begun < TRANSACTION_TIMEOUT / 2:
            raise self._fenced()

    def _fenced(self) -> FencedError:
        return FencedError(
            f"another producer uses the transactional id {self.id}: two pods must not have the same KAFKATRIGGER_POD_UID "
            "and group; nothing of the open transaction is committed"
        )


def _release(clients: list[Producer]) -> None:
    clients.clear()
