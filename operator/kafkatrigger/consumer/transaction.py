"""A producer with transactions, whose calls never hold up the loop.

Some of the client's calls take their own time whatever time-out they are given (tried: nine seconds for offsets, while a
broker hangs). So each runs on a thread beside the loop, which asks what became of it. After a time-out a call may be made
again: it goes on where it was. One never comes back: offsets for a coordinator that is gone from the cluster
(https://github.com/confluentinc/librdkafka/issues/5511). Its thread is left behind with its producer, which the next one of
the same id has fenced, so whatever it does later changes nothing.

A transaction ends in one of three ways: committed, aborted, or *unknown*, when the broker did not answer the commit. The
same id initialised anew makes the coordinator finish or abort what is open, and after that the group's offsets say which.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from enum import Enum, auto
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from kafkatrigger.consumer.background import in_background
from kafkatrigger.kafka.client import TRANSACTION_TIMEOUT

log = logging.getLogger(__name__)

FLUSH_TIMEOUT = 0.5
"""Seconds in which the broker should have heard of the transaction that is aborted."""

OVERRUN = TRANSACTION_TIMEOUT + 5.0
"""Seconds after which the end of a transaction, which the broker has aborted by itself, is not waited for any more."""

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
        self._call: Future[None] | None = None
        self._begun = 0.0
        self._since = 0.0
        self._retry_at = 0.0
        self._pause = FIRST_PAUSE
        self._offsets: list[TopicPartition] = []
        """Not sent yet."""
        self._metadata: Any = None

    def is_ready(self) -> bool:
        """Whether a transaction may begin or is open; tries to get there otherwise."""
        if self.state is State.STARTING:
            self._initialise()
        return self.state in (State.READY, State.OPEN)

    def begin(self) -> None:
        """Opens a transaction, if none is open."""
        if self.state is not State.READY:
            return
        self._begun = time.monotonic()
        try:
            self.producer.begin_transaction()
        except KafkaException as problem:
            self._check_fenced(problem.args[0])
            log.warning("the producer is replaced (%s)", problem.args[0].str())
            self.restart()
            return
        self.error = None
        self.state = State.OPEN

    def commit(self, offsets: list[TopicPartition], metadata: Any) -> None:
        """Begins to commit with these offsets; `ending` says what became of it."""
        self.state, self._since = State.COMMITTING, time.monotonic()
        self._offsets, self._metadata = offsets, metadata
        self._go_on()

    def ending(self) -> Ending:
        """How far the commit is. Until it is finished nothing else can be done."""
        if self._call is None or not self._call.done():
            return Ending.UNKNOWN if self._is_given_up() else Ending.UNFINISHED
        error = self._taken()
        if error is None:
            self.state = State.READY
            return Ending.COMMITTED
        return self._not_committed(error)

    def abort(self) -> bool:
        """Whether the transaction, if there was one, is aborted now; while it is not, it has to be called again."""
        if self.state in (State.STARTING, State.READY):
            return True
        if self.state is not State.ABORTING:
            self.state, self._since = State.ABORTING, time.monotonic()
            self.aborts += 1
            self._ask_why()
            self._call = in_background("abort", partial(_abort, self.producer))
        if self._call is None or not self._call.done():
            return self._is_given_up()
        error = self._taken()
        if error is None:
            self.state = State.READY
            return True
        self._check_fenced(error)
        if error.retriable() and not self._is_overdue():
            self._call = in_background("abort", partial(_abort, self.producer))
            return False
        log.warning("a transaction was not aborted (%s): the producer is replaced, which aborts it", error.str())
        self.restart()
        return True

    def wait(self, seconds: float) -> bool:
        """Until the call that is under way is over, or the time is; False where there is none."""
        if self._call is None:
            return False
        wait([self._call], seconds)
        return True

    def restart(self) -> None:
        """Another producer of the same id: once it is ready, what this one left open is finished or aborted."""
        old = [self.producer]
        self.producer = self._connect()
        self.state = State.STARTING
        in_background("release", old.clear)  # the end of a client waits for its threads

    def _go_on(self) -> None:
        self._call = in_background("commit", partial(_commit, self.producer, self._offsets, self._metadata))

    def _is_given_up(self) -> bool:
        """Whether the call that is under way is left to itself, and the next producer ends what it was to end."""
        if self._call is None or time.monotonic() - self._since < OVERRUN:
            return False
        log.warning("the end of a transaction takes more than %.0f s: the producer is replaced", OVERRUN)
        self._call = None
        self.restart()
        return True

    def _ask_why(self) -> None:
        """The client says why a transaction has failed to whoever would begin another one, and to that call alone."""
        if self.error is None or self.error.code() == KafkaError._STATE:
            try:
                self.producer.begin_transaction()
            except KafkaException as problem:
                self.error = problem.args[0] if problem.args[0].txn_requires_abort() else None

    def _initialise(self) -> None:
        if self._call is None:
            if time.monotonic() >= self._retry_at:
                self._call = in_background("init", partial(self.producer.init_transactions, TRANSACTION_TIMEOUT))
            return
        if not self._call.done():
            return
        error = self._taken()
        if error is None:
            self.state, self.problem, self._pause = State.READY, "", FIRST_PAUSE
            return
        if error.code() == KafkaError._FENCED:
            raise self._fenced()
        self._retry_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        if not error.retriable():
            self.problem = (
                f"transactions with the id {self.id} are not possible ({error.str()}): "
                "let the trigger's user write and describe transactional ids with the group's name as prefix"
            )
            log.warning("%s", self.problem)
            self.restart()

    def _taken(self) -> KafkaError | None:
        """The error of the call that is over, if it had one."""
        call, self._call = self._call, None
        problem = call.exception() if call is not None else None
        if problem is None:
            return None
        if isinstance(problem, KafkaException):
            error: KafkaError = problem.args[0]
            return error
        raise problem

    def _not_committed(self, error: KafkaError) -> Ending:
        if error.txn_requires_abort():
            self.error = error
            return Ending.ABORTED
        self._check_fenced(error)
        if error.retriable() and not self._is_overdue():
            self._go_on()
            return Ending.UNFINISHED
        self.error = error
        if self._offsets and not error.fatal():
            return Ending.ABORTED
        log.warning("it is not known whether a transaction was committed (%s)", error.str())
        self.restart()
        return Ending.UNKNOWN

    def _is_overdue(self) -> bool:
        return time.monotonic() - self._since > TRANSACTION_TIMEOUT

    def _check_fenced(self, error: KafkaError) -> None:
        """FencedError, unless the broker itself did it: it also fences a transaction that is open for too long."""
        if error.code() == KafkaError._FENCED and time.monotonic() - self._begun < TRANSACTION_TIMEOUT / 2:
            raise self._fenced()

    def _fenced(self) -> FencedError:
        return FencedError(
            f"another producer uses the transactional id {self.id}: two pods must not have the same KAFKATRIGGER_POD_UID "
            "and group; nothing of the open transaction is committed"
        )


def _commit(producer: Producer, offsets: list[TopicPartition], metadata: Any) -> None:
    """Takes the offsets out of the list once they are sent."""
    if offsets:
        producer.send_offsets_to_transaction(offsets, metadata, TRANSACTION_TIMEOUT)
        offsets.clear()
    producer.commit_transaction(TRANSACTION_TIMEOUT)


def _abort(producer: Producer) -> None:
    # The coordinator has to know of the transaction, or the client takes its answer to the abort for a fatal error
    # (https://github.com/confluentinc/librdkafka/issues/4849).
    producer.flush(FLUSH_TIMEOUT)
    producer.abort_transaction(TRANSACTION_TIMEOUT)
