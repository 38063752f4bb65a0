"""What a transformation sees and may say: the message, results, failures, and that it takes messages in batches."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec

Headers = list[tuple[str, bytes | None]]
AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
LARGEST_BATCH = 1000


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


class Failure(msgspec.Struct):
    """Returned in place of a result: this message failed, as if the function had raised for it alone.

    It is for batch functions, whose other messages it leaves untouched.
    """

    error: Exception | str
    """An exception, which may be one that was caught, or a sentence."""
    permanent: bool = False
    """No further attempt can cure it."""

    def exception(self) -> Permanent | Retriable:
        """What a function that runs one message would have raised."""
        permanent = self.permanent or isinstance(self.error, Permanent)
        exception = Permanent(str(self.error)) if permanent else Retriable(str(self.error))
        exception.__cause__ = self.error if isinstance(self.error, Exception) else None
        return exception


class Batching(msgspec.Struct, frozen=True):
    """How `batch` was called."""

    size: int
    same_key: bool


def batch(*, size: int = 100, same_key: bool = False) -> Callable[[AnyFunction], AnyFunction]:
    """Has a function take a list of messages and return a list with the result of each, in the same order.

    `size` is the most that one call gets (1 to 1,000); how many it is depends on what has arrived. A call has one
    message of each key, so that keys stay in order whatever fails; with `same_key` it may have several, in order.
    """
    if not 1 <= size <= LARGEST_BATCH:
        raise ValueError(f"batch(size={size}): the size of a batch is between 1 and {LARGEST_BATCH}")

    def mark(function: AnyFunction) -> AnyFunction:
        function.__kafkatrigger_batch__ = Batching(size, same_key)  # type: ignore[attr-defined]
        return function

    return mark


def batching_of(function: Any) -> Batching | None:
    """What `batch` said of a function; None for one that takes single messages."""
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__kafkatrigger_batch__", None)
