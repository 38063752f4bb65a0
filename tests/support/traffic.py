"""A stream of numbered messages, and whether all of them were answered."""

import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from tests.support.waiting import until

BEAT = 0.05
"""Seconds between two small groups of messages."""


class Answer(NamedTuple):
    """One record of a response topic."""

    key: str
    value: dict[str, Any]

    @property
    def number(self) -> int:
        number: int = self.value["n"]
        return number


class Traffic:
    """Messages `{"n": ...}`, written at a steady rate by a thread as long as the block lasts."""

    def __init__(self, bootstrap: str, topic: str, rate: int = 100, keys: int = 20) -> None:
        # Idempotent: its own retries must not change the order.
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "enable.idempotence": True})
        self._topic, self._group, self._keys = topic, round(rate * BEAT), keys
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._refused: list[str] = []
        self.sent = 0

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Returns when all that was written is acknowledged."""
        self._stop.set()
        self._thread.join()
        assert self._producer.flush(30) == 0, "messages were not acknowledged"
        assert not self._refused, self._refused[:3]

    def wait_more(self, count: int = 100) -> None:
        """Until so many more were written."""
        target = self.sent + count
        until(lambda: self.sent >= target, 60, f"{count} more messages")

    def _write(self) -> None:
        while not self._stop.wait(BEAT):
            for number in range(self.sent, self.sent + self._group):
                self._producer.produce(
                    self._topic, orjson.dumps({"n": number}), key_of(number, self._keys), on_delivery=self._acknowledged
                )
            self.sent += self._group
            self._producer.poll(0)

    def _acknowledged(self, error: object, _message: Message) -> None:
        if error is not None:
            self._refused.append(str(error))


def key_of(number: int, keys: int) -> str:
    """The key of a numbered message."""
    return f"k{number % keys}"


def read_until(
    bootstrap: str, topic: str, complete: Callable[[list[Message]], bool], seconds: float = 90.0
) -> list[Message]:
    """All records of a topic from its beginning on, until they are complete; AssertionError when that takes longer.

    Reads on for a moment, so that one too many is seen as well.
    """
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "enable.auto.commit": False})
    messages: list[Message] = []

    def more() -> bool:
        messages.extend(each for each in consumer.consume(1000, 0.2) if each.error() is None)
        return complete(messages)

    try:
        until(lambda: assign(consumer, topic), seconds, f"the topic {topic}")
        until(more, seconds, f"the end of {topic}")
        messages.extend(each for each in consumer.consume(1000, 0.5) if each.error() is None)
    finally:
        consumer.close()
    return messages


def assign(consumer: Consumer, topic: str) -> bool:
    """Begins to read a topic from its beginning; whether it is there."""
    found = consumer.list_topics(timeout=10).topics.get(topic)
    if found is None or not found.partitions:
        return False
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in found.partitions])
    return True


def answers(messages: Iterable[Message]) -> list[Answer]:
    """The records of a response topic."""
    return [Answer((each.key() or b"").decode(), orjson.loads(each.value())) for each in messages]


def check_order(found: Iterable[Answer]) -> None:
    """Every key's messages were answered in their order; a second answer to the same message does not count."""
    seen: dict[str, dict[int, None]] = defaultdict(dict)
    for each in found:
        seen[each.key].setdefault(each.number)
    for key, numbers in seen.items():
        assert list(numbers) == sorted(numbers), f"order of {key}: {list(numbers)}"
