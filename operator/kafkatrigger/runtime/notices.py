"""What a worker process and its supervisor tell each other over the socket pair between them.

The worker writes one JSON line for each change of its state. The supervisor writes single bytes, each with the
descriptor of a connection to serve.
"""

from typing import Literal

import msgspec

from kafkatrigger.api.frames import Work

from .nameless import nameless_file

HAND_OVER = b"c"


class Task(msgspec.Struct):
    """What a worker is told at its start."""

    parent: int
    number: int
    channel: int
    """Descriptor of the worker's end of the socket pair."""
    progress: int
    """Descriptor of the progress table."""
    work: Work
    trigger: str
    """namespace/name, for logs."""

    def as_file(self) -> int:
        """A descriptor of a file with the task in it: transformations are larger than an argument may be."""
        descriptor = nameless_file("kafkatrigger-task")
        with open(descriptor, "wb", closefd=False) as file:
            file.write(msgspec.msgpack.encode(self))
        return descriptor

    @classmethod
    def from_file(cls, descriptor: int) -> "Task":
        """What such a file says; it is closed."""
        with open(descriptor, "rb") as file:
            file.seek(0)  # the position is shared with whoever wrote it
            return msgspec.msgpack.decode(file.read(), type=cls)


class Notice(msgspec.Struct):
    """`ready`: loaded. `failed`: could not load, exits. `detached`: its connection ended, it takes the next one."""

    state: Literal["ready", "failed", "detached"]
    message: str = ""
    is_async: bool = False
    """With `ready`: the function runs on an event loop, which cancels what overruns its timeout by itself."""
    concurrency: int = 1
    """With `ready`: how many messages it takes at a time."""

    def line(self) -> bytes:
        """The notice as it is sent."""
        return msgspec.json.encode(self) + b"\n"


def overrun(timeout: float) -> str:
    """What is said of a message that exceeds the timeout (seconds), whoever notices it."""
    return f"the function ran for longer than the {timeout:g} s that spec.delivery.timeout allows"
