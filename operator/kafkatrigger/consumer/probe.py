"""Whether a topic takes records again: one is written by a producer of its own, apart from all others.

Only so a topic that leaves writes unanswered, as one without enough replicas does, holds up nothing else.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kafkatrigger.consumer.background import in_background
from kafkatrigger.consumer.output import Output
from kafkatrigger.kafka import client

WAIT = 10.0
"""Seconds for all of a probe; more than the client takes to give a record up."""

_IMPATIENT = {"linger.ms": 0, "topic.metadata.propagation.max.ms": 1000, "message.timeout.ms": 4000}
"""There will be another probe."""

Report = Callable[[KafkaError | None, Message], None]
"""Called when a record is written or given up."""

Probe = Callable[[Output], "Future[KafkaError | None]"]
"""Writes a record in the background; the error, or None where the topic took it."""


def write(settings: client.Configuration, output: Output) -> KafkaError | None:
    """Writes the record for good."""
    return _written(_producer(settings), output)


def write_and_abort(transactional_id: str, settings: client.Configuration, output: Output) -> KafkaError | None:
    """Writes the record in a transaction that is aborted: nobody sees it."""
    producer = _producer(client.transactional(settings, transactional_id))
    producer.init_transactions(WAIT)
    producer.begin_transaction()
    error = _written(producer, output)
    with suppress(KafkaException):  # without it the broker aborts, later
        producer.abort_transaction(WAIT)
    return error


def probe(write: Callable[[client.Configuration, Output], KafkaError | None], settings: client.Configuration) -> Probe:
    """Probes that write so."""

    def attempt(output: Output) -> KafkaError | None:
        try:
            return write(settings, output)
        except KafkaException as problem:
            return _error(problem)

    return lambda output: in_background("probe", lambda: attempt(output))


def _producer(settings: client.Configuration) -> Producer:
    return Producer({**settings, **_IMPATIENT, "logger": logging.getLogger("librdkafka")})


def _written(producer: Producer, output: Output) -> KafkaError | None:
    errors: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            errors.append(error)

    try:
        produce(producer, output, delivered)
    except (OverflowError, TypeError, ValueError) as problem:
        return KafkaError(KafkaError._INVALID_ARG, str(problem))
    if producer.flush(WAIT):
        return KafkaError(KafkaError._MSG_TIMED_OUT)
    return errors[0] if errors else None


def produce(producer: Producer, output: Output, report: Report | None) -> None:
    """Hands the record to the client, which raises what it knows at once, BufferError where it is full."""
    producer.produce(
        output.topic,
        output.value,
        output.key,
        partition=output.target,
        headers=output.headers or None,
        timestamp=output.timestamp,
        on_delivery=report,
    )


def _error(problem: KafkaException) -> KafkaError:
    error: KafkaError = problem.args[0]
    return error
