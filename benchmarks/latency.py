"""Latency: from a message's timestamp until a reader of committed messages sees the response.

Generator, contestant, broker and reader share the machine, so a rate that fills it says more about the machine.
"""

import statistics
import time
from collections.abc import Iterator

import orjson
from confluent_kafka import Consumer, Message, TopicPartition

from benchmarks.cases import PARTITIONS, Case, Contestant
from benchmarks.contestants import ContestantError, Running, running
from benchmarks.history import History
from benchmarks.kafka import Kafka
from benchmarks.measured import Run
from benchmarks.rate import PATIENCE, Cost, peaks, wrongs
from benchmarks.traffic import traffic

WAKE_RATE, WAKE_SECONDS = 200, 2.0
WARM_UP = 3.0
"""Seconds whose responses are read and not counted."""

READ_WAIT = 0.05
READ_BATCH = 200


def measure(kafka: Kafka, case: Case, contestant: Contestant, rate: int, seconds: float) -> Run:
    """One run at a rate: `ContestantError` when responses do not come."""
    source, target = kafka.create(), kafka.create()
    reader = _reader(kafka.bootstrap, target)
    try:
        with running(contestant, case.guarantee, kafka.bootstrap, source, target) as at_work:
            bench = Bench(kafka, source, case.load.size, at_work, reader)
            bench.send(WAKE_RATE, WAKE_SECONDS)
            return bench.timed(rate, seconds)
    finally:
        reader.close()
        kafka.delete(source)
        kafka.delete(target)


class Bench:
    """A contestant with a generator before and a reader behind it."""

    def __init__(self, kafka: Kafka, source: str, size: int, contestant: Running, reader: Consumer) -> None:
        self._kafka = kafka
        self._source = source
        self._size = size
        self._contestant = contestant
        self._reader = reader

    def send(self, rate: int, seconds: float) -> tuple[History, list[tuple[float, float]]]:
        """Generates messages and reads all the responses; returns when each was sent and when its response was seen."""
        history, seen = History(), []
        with traffic(self._kafka.bootstrap, self._source, rate, seconds, self._size):
            for sent, now, key, n in self._responses(round(rate * seconds)):
                history.add(key, n)
                seen.append((sent, now))
        return history, seen

    def timed(self, rate: int, seconds: float) -> Run:
        """Latencies of so many seconds, after the warm-up."""
        begin = Cost.of(self._contestant, self._kafka.broker)
        history, seen = self.send(rate, WARM_UP + seconds)
        cpu = Cost.of(self._contestant, self._kafka.broker).per_million(begin, len(seen))
        start = seen[0][0] + WARM_UP
        taken = sorted(1000 * (now - sent) for sent, now in seen if sent >= start)
        cuts = statistics.quantiles(taken, n=100)
        values = {"offered": rate, "p50": cuts[49], "p99": cuts[98], "slowest": taken[-1]}
        return Run({**values, **wrongs(history, len(seen))}, cpu, peaks(self._contestant))

    def _responses(self, count: int) -> Iterator[tuple[float, float, bytes, int]]:
        """Time of production, time of arrival, key and number of so many responses."""
        deadline = time.monotonic() + PATIENCE
        while count > 0:
            messages = self._batch()
            now = time.time()
            for message in messages:
                value = orjson.loads(message.value())
                yield value["at"], now, message.key(), value["n"]
            count -= len(messages)
            if messages:
                deadline = time.monotonic() + PATIENCE
            self._contestant.check()
            if time.monotonic() > deadline:
                raise ContestantError(f"{count} responses are missing: {self._contestant.log}")

    def _batch(self) -> list[Message]:
        first = self._reader.poll(READ_WAIT)
        return [first, *self._reader.consume(READ_BATCH - 1, 0)] if first else []


def _reader(bootstrap: str, topic: str) -> Consumer:
    options = {"fetch.queue.backoff.ms": 1, "fetch.wait.max.ms": 100, "isolation.level": "read_committed"}
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", **options})
    reader.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    return reader
