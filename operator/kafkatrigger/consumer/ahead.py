"""What was read ahead, handed on partition by partition in turn.

A client hands on what it fetched of one partition, up to a megabyte, before it comes to the next. A function that waits
gains from many keys at a time, so for it the partitions take turns: more keys are at hand than one partition has.
"""

from collections import deque
from collections.abc import Container, Iterable
from itertools import groupby

from confluent_kafka import Message

from kafkatrigger.consumer.sizes import headers_size

MOST = 50_000
"""Messages: a megabyte of small ones for each of eight partitions."""

TURN = 50
"""Messages of one partition in a row."""

Place = tuple[str | None, int | None]


class Ahead:
    """Messages and reports, which keep their order within a partition."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._queues: dict[Place, deque[Message]] = {}
        """By whose turn it is; none is empty."""
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be read."""
        return self._count >= MOST or self._bytes >= self._memory

    def put(self, messages: Iterable[Message], assigned: Container[Place]) -> None:
        """Adds what was read, but for partitions that were given up meanwhile."""
        for place, group in groupby(messages, _place):
            if place not in assigned and not _is_nowhere(place):
                continue
            run = list(group)
            self._queues.setdefault(place, deque()).extend(run)
            self._count += len(run)
            self._bytes += _size(run)

    def take(self, most: int, without: Container[Place] = ()) -> list[Message]:
        """At most so many, none of the partitions `without`."""
        taken: list[Message] = []
        waiting = [place for place in self._queues if place not in without]
        while waiting and len(taken) < most:
            turn = waiting.pop(0)
            queue = self._queues.pop(turn)
            run = [queue.popleft() for _ in range(min(TURN, len(queue), most - len(taken)))]
            taken += run
            self._count -= len(run)
            self._bytes -= _size(run)
            if queue:
                self._queues[turn] = queue
                waiting.append(turn)
        return taken

    def drop(self, place: Place) -> None:
        """Forgets what was read of a partition."""
        queue = self._queues.pop(place, None)
        if queue:
            self._count -= len(queue)
            self._bytes -= _size(queue)


def _place(message: Message) -> Place:
    return message.topic(), message.partition()


def _is_nowhere(place: Place) -> bool:
    """Whether it is a report that is about no partition."""
    return place[1] is None or place[1] < 0


def _size(messages: Iterable[Message]) -> int:
    return sum(
        len(message) + len(message.key() or b"") + (headers_size(headers) if (headers := message.headers()) else 0)
        for message in messages
    )
