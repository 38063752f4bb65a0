"""What a transformation sees and may say: the message, results, and the two kinds of failure."""

import logging
from typing import Any

import msgspec

Headers = list[tuple[str, bytes | None]]


class Message(msgspec.Struct, gc=False):
    """One message as the function sees it. Every field but `value` has a default: a unit test writes `Message(42)`."""

    value: Any
    """Decoded by `source.format.value`; None for a tombstone."""
    key: Any = None
    """Decoded by `source.format.key`; None without a key."""
    headers: Headers = []
    topic: str = ""
    partition: int = 0
    offset: int = 0
    timestamp: int = 0
    """Milliseconds since the epoch."""
    attempt: int = 1
    """1 for the first run."""

    @property
    def id(self) -> str:
        """`topic-partition-offset`: the same at every attempt, so other systems can recognise a repetition by it."""
        return f"{self.topic}-{self.partition}-{self.offset}"

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose lines name this message."""
        facts = {"topic": self.topic, "partition": self.partition, "offset": self.offset}
        return logging.LoggerAdapter(logging.getLogger("kafkatrigger.function"), facts)


class _SourceKey:
    """Stands for the source message's key."""

    def __repr__(self) -> str:
        return "SOURCE_KEY"


SOURCE_KEY = _SourceKey()


class Result(msgspec.Struct):
    """A response that says more than its value. `Result(None)` writes a tombstone; a plain None answers nothing."""

    value: Any
    key: Any = SOURCE_KEY
    """Encoded by `source.format.key`; the source's key bytes unless given, None for no key."""
    headers: Headers = []
    """Sent in addition to those that `response.headers` asks for."""
    partition: int | None = None
    """Partition of the response topic; chosen by the key unless given."""


class Retriable(Exception):  # noqa: N818 - reads as a word in the functions that raise it
    """Raise it for a failure that another attempt may cure. Other exceptions are retried as well; this one says so."""


class Permanent(Exception):  # noqa: N818
    """Raise it for a failure that no further attempt can cure: the message fails at once."""
