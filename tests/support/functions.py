"""Transformations that tests run."""

import ctypes
import importlib.metadata
import os
import time
from typing import Any

from kafkatrigger import Message, Permanent, Result, Retriable


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
    return _ACTIONS[message.value["do"]](message)


def _fail_until(message: Message) -> Any:
    if message.attempt < message.value["attempt"]:
        raise Retriable(f"attempt {message.attempt} is too early")
    return {**message.value, "attempts": message.attempt}


def _raise(message: Message) -> Any:
    raise ValueError("as the message wishes")


def _permanent(message: Message) -> Any:
    raise Permanent("never")


def _sleep(message: Message) -> Any:
    time.sleep(message.value["seconds"])
    return message.value


_ACTIONS: dict[str, Any] = {
    "echo": lambda message: message.value,
    "raise": _raise,
    "permanent": _permanent,
    "fail-until": _fail_until,
    "unserialisable": lambda _: {1, 2},
    "hang": lambda _: time.sleep(3600),
    "spin": lambda _: [None for _ in iter(int, 1)],
    "exit": lambda _: os._exit(3),
    "segfault": lambda _: ctypes.string_at(0),
    "filter": lambda _: None,
    "tombstone": lambda _: Result(None),
    "several": lambda message: [Result(index) for index in range(message.value["count"])],
    "elsewhere": lambda message: Result(message.value, key="elsewhere", headers=[("h", b"1")], partition=0),
    "large": lambda message: "x" * message.value["size"],
    "sleep": _sleep,
}
