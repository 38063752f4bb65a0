"""How large a record each topic takes: asked of the brokers, since somebody may change it at any time."""

import time
from collections.abc import Callable, Iterable

from kafkatrigger.consumer.output import MOST_OVERHEAD, Output, Plain
from kafkatrigger.kafka import topics
from kafkatrigger.kafka.client import BATCH_BYTES

ASK_AGAIN = 30.0
"""Seconds after an answer that said nothing."""
ASK_PAUSE = 1.0
"""Seconds between two questions after records that were too large."""


class Limits:
    """`max.message.bytes` of topics. What is not known is not limited: the broker will tell."""

    def __init__(self, wanted: Iterable[str], ask: Callable[[str], topics.Settings]) -> None:
        self._ask = ask
        self._due = dict.fromkeys(wanted, 0.0)
        self._asked: dict[str, topics.Settings] = {}
        self._known: dict[str, int] = {}
        self.heard = False
        """Each topic was answered for once, if only that nobody says: what is written before may be written in vain."""

    def pump(self, now: float) -> None:
        """Asks what is due, and takes what was answered."""
        for topic, due in self._due.items():
            if now >= due and topic not in self._asked:
                self._asked[topic] = self._ask(topic)
        for topic in [topic for topic, answer in self._asked.items() if answer.done()]:
            limit = topics.largest_batch(self._asked.pop(topic))
            if limit is not None:
                self._known[topic] = limit
            self._due[topic] = float("inf") if limit is not None else now + ASK_AGAIN
        self.heard = self.heard or all(self._due.values())

    def doubt(self, topic: str) -> None:
        """A record was too large for the topic: what is known of it may be old."""
        self._due[topic] = min(self._due.get(topic, float("inf")), time.monotonic() + ASK_PAUSE)

    def excess(self, output: Output) -> tuple[str, str] | None:
        """The topic that would refuse the record, or another of its message, even alone; and why."""
        for topic, needed in output.needed.items():
            limit = self._known.get(topic)
            if limit is not None and needed > limit:
                return topic, f"{needed} bytes, and max.message.bytes of the topic is {limit}"
        return None

    def admits(self, plain: Plain) -> bool:
        """Whether none of them can be too large; seen without looking at each."""
        limit = self._known.get(plain.topic)
        return limit is None or plain.size + MOST_OVERHEAD <= limit or self._each_admitted(plain, limit)

    @staticmethod
    def _each_admitted(plain: Plain, limit: int) -> bool:
        most = limit - MOST_OVERHEAD
        return all(
            len(value) + len(record[4] or b"") <= most
            for record, value in zip(plain.records, plain.values, strict=True)
        )

    @property
    def batch_bytes(self) -> int:
        """The largest batch that all of the topics take."""
        return max(1, min([BATCH_BYTES, *self._known.values()]))
