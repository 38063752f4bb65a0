"""Whether a topic takes records again: one is written by a producer of its own, apart from all others.

Only so a topic that leaves writes unanswered, as one without enough replicas does, holds up nothing else.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kafkatrigger.consumer.output import Output
from kafkatrigger.kafka import client

log = logging.getLogger(__name__)

WAIT = 10.0
"""Seconds for all of a probe; more than the client takes to give a record up."""

Probe = Callable[[Output], "Future[KafkaError | None]"]
"""Writes a record in the background; the error, or None where the topic took it."""


def write(settings: client.Configuration, output: Output) -> KafkaError | None:
    """Writes the record for good."""
    return _written(_producer(settings), output)


def write_and_abort(transactional_id: str, settings: client.Configuration, output: Output) -> KafkaError | None:
    """Writes the record in a transaction that is aborted: nobody sees it."""
    producer = _producer(client.transactional(settings, transactional_id))
    try:
        producer.init_transactions(WAIT)
        producer.begin_transaction()
        error = _written(producer, output)
        with suppress(KafkaException):  # without it the broker aborts, later
            producer.abort_transaction(WAIT)
    except KafkaException as problem:
        return _error(problem)
    return error


def in_background(
    probe: Callable[[client.Configuration, Output], KafkaError | None], settings: client.Configuration
) -> Probe:
    """The probe on a thread of its own, which does not keep the process from ending."""

    def start(output: Output) -> "Future[KafkaError | None]":
        answer: Future[KafkaError | None] = Future()

        def run() -> None:
            try:
                answer.set_result(probe(settings, output))
            except Exception as error:
                log.exception("a probe of the topic %s failed", output.topic)
                answer.set_result(KafkaError(KafkaError._FAIL, str(error)))

        threading.Thread(target=run, name="probe", daemon=True).start()
        return answer

    return start


def _producer(settings: client.Configuration) -> Producer:
    return Producer({**settings, "linger.ms": 0, "logger": logging.getLogger("librdkafka")})


def _written(producer: Producer, output: Output) -> KafkaError | None:
    errors: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            errors.append(error)

    try:
        produce(producer, output, delivered)
    except KafkaException as problem:
        return _error(problem)
    except (OverflowError, TypeError, ValueError) as problem:
        return KafkaError(KafkaError._INVALID_ARG, str(problem))
    if producer.flush(WAIT):
        return KafkaError(KafkaError._MSG_TIMED_OUT)
    return errors[0] if errors else None


def produce(producer: Producer, output: Output, delivered: Callable[[KafkaError | None, Message], None]) -> None:
    """Hands the record to the client, which raises what it knows at once, BufferError where it is full."""
    producer.produce(
        output.topic,
        output.value,
        output.key,
        partition=output.target,
        headers=output.headers or None,
        timestamp=output.timestamp,
        on_delivery=delivered,
    )


def _error(problem: KafkaException) -> KafkaError:
    error: KafkaError = problem.args[0]
    return error
