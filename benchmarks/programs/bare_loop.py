"""What a consumer and a producer can do at most: one process, no tracking, no isolation, a fixed function.

    python bare_loop.py BOOTSTRAP SOURCE TARGET GROUP AtLeastOnce|ExactlyOnce LINGER_MS

Consumes, decodes, adds a field, encodes, produces key and value; flushes and commits every second, or every 100 ms in a
transaction, until SIGTERM. Nothing of the project is in it, and no more than the client needs: it is the yardstick.
"""

import signal
import sys
import time
from types import FrameType

import orjson
from confluent_kafka import Consumer, Message, Producer

BATCH = 500
IDLE = 0.05
"""Seconds to wait for a message."""

CADENCE = {"AtLeastOnce": 1.0, "ExactlyOnce": 0.1}
"""Seconds between commits."""


def transform(messages: list[Message]) -> list[dict[str, bytes]]:
    """The responses to a batch."""
    results = []
    loads, dumps = orjson.loads, orjson.dumps
    for message in messages:
        value = loads(message.value())
        value["result"] = value["value"] * 2
        results.append({"value": dumps(value), "key": message.key()})
    return results


def write(producer: Producer, target: str, records: list[dict[str, bytes]]) -> None:
    """Hands all of them to the producer, and waits while its queue is full."""
    while records:
        taken = producer.produce_batch(target, records)
        if taken == len(records):
            return
        records = [each for each in records if "_error" in each]
        for each in records:
            del each["_error"]
        producer.poll(0.01)


class Loop:
    """Reads, writes, commits, until `stop`."""

    def __init__(self, bootstrap: str, source: str, target: str, group: str, guarantee: str, linger: int) -> None:
        self._target = target
        self._cadence = CADENCE[guarantee]
        self._transactional = guarantee == "ExactlyOnce"
        self._producer = Producer(_producing(bootstrap, group, linger, self._transactional))
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "fetch.queue.backoff.ms": 10,
                "isolation.level": "read_committed",
            }
        )
        self._consumer.subscribe([source])
        self._stopping = False
        self._dirty = False
        """Whether something was read that is not committed."""

    def stop(self, _: int, __: FrameType | None) -> None:
        """Ends the loop after its turn: a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Runs until `stop`."""
        if self._transactional:
            self._producer.init_transactions()
        last = time.monotonic()
        while not self._stopping:
            if first := self._consumer.poll(IDLE):
                self._take([first, *self._consumer.consume(BATCH - 1, 0)])
            if self._dirty and time.monotonic() - last > self._cadence:
                self._commit()
                last = time.monotonic()
        if self._dirty:
            self._commit()
        self._consumer.close()

    def _take(self, messages: list[Message]) -> None:
        if self._transactional and not self._dirty:
            self._producer.begin_transaction()
        self._dirty = True
        write(self._producer, self._target, transform(messages))
        self._producer.poll(0)

    def _commit(self) -> None:
        if self._transactional:
            consumer = self._consumer
            positions = consumer.position(consumer.assignment())
            self._producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata())
            self._producer.commit_transaction()
        else:
            self._producer.flush()
            self._consumer.commit(asynchronous=True)
        self._dirty = False


def _producing(bootstrap: str, group: str, linger: int, transactional: bool) -> dict[str, object]:
    options: dict[str, object] = {
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "linger.ms": linger,
        "batch.size": 1_000_000,
        "queue.buffering.max.messages": 1_000_000,
    }
    if transactional:
        options |= {"transactional.id": group, "retry.backoff.ms": 1}
    return options


if __name__ == "__main__":
    bootstrap, source, target, group, guarantee, linger = sys.argv[1:]
    loop = Loop(bootstrap, source, target, group, guarantee, int(linger))
    signal.signal(signal.SIGTERM, loop.stop)
    loop.run()
