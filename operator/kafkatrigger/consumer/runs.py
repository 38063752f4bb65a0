"""What the client read, in runs of one partition: nearly always one run to a read, so what is the same for all of its
messages can be asked once.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeAlias

from confluent_kafka import Message

Run: TypeAlias = list[Message] | Message
"""Messages of one partition in their order, or a report, which is no message, by itself."""

Place = tuple[str | None, int | None]
"""Topic and partition; neither of a report that is about no partition."""


def runs(messages: Sequence[Message]) -> Iterator[Run]:
    """The same in their order, cut where the partition changes and around each report."""
    # By identity: comparing one of the client's errors with None leaves an exception behind.
    if [None for message in messages if message.error() is not None]:
        for is_report, group in groupby(messages, lambda message: message.error() is not None):
            if is_report:
                yield from group
            else:
                yield from _runs(list(group))
    elif messages:
        yield from _runs(list(messages))


def place(run: Run) -> Place:
    """Where all of it is from."""
    message = run[0] if isinstance(run, list) else run
    return message.topic(), message.partition()


def _runs(messages: list[Message]) -> Iterator[list[Message]]:
    numbers = [message.partition() for message in messages]
    topics = [message.topic() for message in messages]
    if numbers.count(numbers[0]) == topics.count(topics[0]) == len(messages):
        yield messages
        return
    places = zip(topics, numbers, strict=True)
    for _, group in groupby(zip(places, messages, strict=True), lambda each: each[0]):
        yield [message for _, message in group]
