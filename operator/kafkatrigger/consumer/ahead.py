"""What was read ahead, handed on partition by partition in turn.

A client hands on what it fetched of one partition, up to a megabyte, before it comes to the next. A function that waits
gains from many keys at a time, so for it the partitions take turns: more keys are at hand than one partition has.
"""

from collections import deque
from collections.abc import Container, Iterable, Iterator

from confluent_kafka import Message

from kafkatrigger.consumer.runs import Place, Run, place
from kafkatrigger.consumer.sizes import headers_size

MOST = 50_000
"""Messages: a megabyte of small ones for each of eight partitions."""

TURN = 50
"""Messages of one partition in a row, at most."""

Piece = tuple[Run, int, int]
"""A turn of one partition, how many messages it is and how many bytes."""


class Ahead:
    """Messages and reports, which keep their order within a partition."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._queues: dict[Place, deque[Piece]] = {}
        """By whose turn it is; none is empty."""
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be read."""
        return self._count >= MOST or self._bytes >= self._memory

    def put(self, runs: Iterable[Run], assigned: Container[Place]) -> None:
        """Adds what was read, but for partitions that were given up meanwhile."""
        for run in runs:
            of = place(run)
            if of not in assigned and not _is_nowhere(of):
                continue
            queue = self._queues.setdefault(of, deque())
            for piece in _pieces(run):
                queue.append(piece)
                self._account(piece)

    def take(self, most: int, without: Container[Place] = ()) -> list[Run]:
        """Turns of until there are so many messages, none of the partitions `without`."""
        taken: list[Run] = []
        waiting = deque(of for of in self._queues if of not in without)
        end = self._count - most
        while waiting and self._count > end:
            turn = waiting.popleft()
            queue = self._queues.pop(turn)
            piece = queue.popleft()
            taken.append(piece[0])
            self._account(piece, -1)
            if queue:
                self._queues[turn] = queue
                waiting.append(turn)
        return taken

    def drop(self, of: Place) -> None:
        """Forgets what was read of a partition."""
        for piece in self._queues.pop(of, ()):
            self._account(piece, -1)

    def _account(self, piece: Piece, sign: int = 1) -> None:
        _, count, size = piece
        self._count += sign * count
        self._bytes += sign * size


def _is_nowhere(of: Place) -> bool:
    """Whether it is a report that is about no partition."""
    return of[1] is None or of[1] < 0


def _pieces(run: Run) -> Iterator[Piece]:
    if not isinstance(run, list):
        yield run, 1, len(run)
        return
    for start in range(0, len(run), TURN):
        piece = run[start : start + TURN]
        yield piece, len(piece), _size(piece)


def _size(run: list[Message]) -> int:
    keys = [message.key() for message in run]
    headers = [message.headers() for message in run]
    return sum(map(len, run)) + sum(map(len, filter(None, keys))) + sum(map(headers_size, filter(None, headers)))
