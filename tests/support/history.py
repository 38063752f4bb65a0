"""The history checker: what was sent, what was answered, what was committed at each kill, and what that proves. Pure.

A message is known by the number that it carries. The messages of a key were sent in the order of their numbers.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple


class Answer(NamedTuple):
    """One record of the response topic."""

    key: bytes
    number: int
    source: tuple[int, int]
    """Partition and offset of the message that it answers."""
    at: tuple[int, int]
    """Its own partition and offset."""


class Kill(NamedTuple):
    """What stood when a process was killed."""

    ends: dict[int, int]
    """End of the response topic, by partition: answers below it were there."""
    is_open: Callable[[bytes, tuple[int, int]], bool]
    """Whether what was committed says that the message with this key at this source has to run."""


def lost(sent: Iterable[int], answers: Iterable[Answer]) -> list[int]:
    """Messages without any answer."""
    return sorted(set(sent) - {answer.number for answer in answers})


def invented(sent: Iterable[int], answers: Iterable[Answer]) -> list[int]:
    """Answers to what was never sent."""
    return sorted({answer.number for answer in answers} - set(sent))


def repeated(answers: Iterable[Answer]) -> dict[int, int]:
    """How many answers too many there are to each message that has some."""
    counts = Counter(answer.number for answer in answers)
    return {number: count - 1 for number, count in counts.items() if count > 1}


def unexplained(answers: Sequence[Answer], kills: Iterable[Kill]) -> dict[int, int]:
    """Repetitions that no kill explains.

    A kill explains one of a message that was answered before, if what was committed then did not say so: nobody could
    know. This is what AtLeastOnce promises.
    """
    first: dict[int, Answer] = {}
    for answer in answers:
        first.setdefault(answer.number, answer)
    reasons = list(kills)
    left = {number: count - _explained(first[number], reasons) for number, count in repeated(answers).items()}
    return {number: count for number, count in left.items() if count > 0}


def _explained(first: Answer, kills: Iterable[Kill]) -> int:
    partition, offset = first.at
    return sum(offset < kill.ends.get(partition, 0) and kill.is_open(first.key, first.source) for kill in kills)


def out_of_order(answers: Iterable[Answer]) -> dict[bytes, list[int]]:
    """Keys whose messages were not answered in their order, each with its first answers in the order they were given."""
    firsts: dict[bytes, dict[int, None]] = defaultdict(dict)
    for answer in answers:
        firsts[answer.key].setdefault(answer.number)
    return {key: list(numbers) for key, numbers in firsts.items() if list(numbers) != sorted(numbers)}
