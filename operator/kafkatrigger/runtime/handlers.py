"""What runs messages on an event loop: an `async def` function, or transformations."""

from collections.abc import Callable, Generator
from typing import Any, Protocol

from kafkatrigger.api.frames import FrameError, Outcome, Revisions, Work

from .encode import ResultEncoder
from .function import Message
from .loading import Function, is_async_generator
from .progress import SLOTS


class Handler(Protocol):
    """Serves one connection."""

    @property
    def concurrency(self) -> int:
        """How many messages run side by side, at most."""

    @property
    def run(self) -> Function:
        """A coroutine function that takes a message; what it returns is for `outcome`."""

    @property
    def outcome(self) -> Callable[[Any], Outcome]:
        """Encodes a result."""

    def update(self, revisions: Revisions) -> None:
        """Takes transformations, for the messages that come after them."""


NewHandler = Callable[[], Handler]


class FunctionHandler:
    """A user's function."""

    concurrency = SLOTS

    def __init__(self, work: Work, function: Function) -> None:
        self.run = _collecting(function) if is_async_generator(function) else function
        self.outcome = ResultEncoder(work.value_format, work.key_format).outcome

    def update(self, revisions: Revisions) -> None:
        """There are none for a function."""
        raise FrameError(f"{len(revisions.put)} transformations came for a function")


def _collecting(function: Function) -> Function:
    """An async generator as a coroutine function that returns an ordinary generator."""

    async def collect(message: Message) -> Generator[Any, None, None]:
        items = [item async for item in function(message)]
        return (item for item in items)

    return collect
