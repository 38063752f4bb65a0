"""Transformations that tests run."""

import asyncio
import ctypes
import importlib.metadata
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from kafkatrigger import Failure, Message, Permanent, Result, Retriable, batch


def double(message: Message) -> Any:
    """The value with `n` doubled."""
    return {**message.value, "n": message.value["n"] * 2}


def slow(message: Message) -> Any:
    """Takes 20 ms."""
    time.sleep(0.02)
    return message.value


def stamp(message: Message) -> Any:
    """The value, and what answered: the edition of the image and the greeting of the environment."""
    return {**message.value, "edition": os.environ.get("EDITION"), "greeting": os.environ.get("GREETING")}


def stamp_again(message: Message) -> Any:
    """As `stamp`, and recognisable as another function."""
    return {**stamp(message), "again": True}


def packages(message: Message) -> Any:
    """The version of a package that the runtime itself does not have."""
    return {**message.value, "version": importlib.metadata.version(message.value["package"])}


def tell(message: Message) -> Any:
    """Does what the value says: one function for everything that can go wrong."""
    with _logged(message):
        return _ACTIONS[message.value["do"]](message)


async def tell_async(message: Message) -> Any:
    """The same on an event loop; `wait` and `stubborn` are for it alone."""
    with _logged(message):
        action = message.value["do"]
        if action == "wait":
            await asyncio.sleep(message.value["seconds"])
            return message.value
        if action == "stubborn":
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    continue
        return _ACTIONS[action](message)


@batch(size=50)
def tell_batch(messages: list[Message]) -> list[Any]:
    """The same for many at once; `failure` is for it alone."""
    return [
        Failure("as the message wishes") if message.value["do"] == "failure" else tell(message) for message in messages
    ]


def hesitant(message: Message) -> Any:
    """One message takes 25 seconds."""
    if message.value["n"] == 100:
        time.sleep(25)
    return message.value


def reluctant(message: Message) -> Any:
    """A hundred messages fail at first."""
    if 100 <= message.value["n"] < 200 and message.attempt == 1:
        raise Retriable("not yet")
    return message.value


def unsteady(message: Message) -> Any:
    """One attempt in ten fails. The value, and where the message stood."""
    time.sleep(0.001)
    if random.random() < 0.1:
        raise Retriable("out of luck")
    return {**message.value, "partition": message.partition, "offset": message.offset}


@contextmanager
def _logged(message: Message) -> Iterator[None]:
    """Notes begin and end in the file that the value names, one line each: see `tests.support.runs`."""
    path = message.value.get("log") if isinstance(message.value, dict) else None
    if path is None:
        yield
        return
    _note(path, "begin", message)
    try:
        yield
    finally:
        _note(path, "end", message)


def _note(path: str, what: str, message: Message) -> None:
    facts = {
        "what": what,
        "n": message.value["n"],
        "attempt": message.attempt,
        "at": time.monotonic(),
        "process": os.getpid(),
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
    }
    with open(path, "ab") as log:  # noqa: PTH123 - one write to the end of a file is whole
        log.write(orjson.dumps(facts) + b"\n")


def _fail_until(message: Message) -> Any:
    if message.attempt < message.value["attempt"]:
        raise Retriable(f"attempt {message.attempt} is too early")
    return {**message.value, "attempts": message.attempt}


def _raise(message: Message) -> Any:
    raise ValueError("as the message wishes")


def _permanent(message: Message) -> Any:
    raise Permanent("never")


def _fail_while(message: Message) -> Any:
    """Fails as long as the file that the value names exists."""
    if os.path.exists(message.value["file"]):  # noqa: PTH110 - no imports beside what is used
        raise Retriable("the file is still there")
    return message.value


def _kill_runtime(_: Message) -> Any:
    """Ends the supervisor, which takes its workers with it."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(3600)


def _hog(_: Message) -> Any:
    """Takes memory until somebody ends it."""
    taken = []
    while True:
        taken.append(b"x" * 4_000_000)
        time.sleep(0.005)


def _sleep(message: Message) -> Any:
    time.sleep(message.value["seconds"])
    return message.value


_ACTIONS: dict[str, Any] = {
    "echo": lambda message: message.value,
    "when": lambda message: message.timestamp,
    "context": lambda message: {name: (content or b"").decode() for name, content in message.headers},
    "raise": _raise,
    "permanent": _permanent,
    "fail-until": _fail_until,
    "fail-while": _fail_while,
    "unserialisable": lambda _: {1, 2},
    "hang": lambda _: time.sleep(3600),
    "spin": lambda _: [None for _ in iter(int, 1)],
    "exit": lambda _: os._exit(3),
    "segfault": lambda _: ctypes.string_at(0),
    "filter": lambda _: None,
    "tombstone": lambda _: Result(None),
    "several": lambda message: [Result(index) for index in range(message.value["count"])],
    "elsewhere": lambda message: Result(message.value, key="elsewhere", headers=[("h", b"1")], partition=0),
    "kill-runtime": _kill_runtime,
    "hog": _hog,
    "large": lambda message: "x" * message.value["size"],
    "sleep": _sleep,
}
