"""What the tests run. Copied beside the runtime's socket, so that the runtime finds it as a user's module."""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kafkatrigger import Message, Permanent, Result, Retriable


def good(message: Message) -> Any:
    """Answers everything that a function sees."""
    return {
        "value": message.value,
        "key": message.key,
        "id": message.id,
        "headers": len(message.headers),
        "timestamp": message.timestamp,
        "attempt": message.attempt,
    }


def obedient(message: Message) -> Any:
    """Does what the value says."""
    match message.value:
        case {"return": value}:
            return value
        case {"raise": text}:
            raise ValueError(text)
        case {"permanent": text}:
            raise Permanent(text)
        case {"retriable": text}:
            raise Retriable(text)
        case {"sleep": seconds}:
            time.sleep(seconds)
            return seconds
        case action:
            return ACTIONS[action](message)


def several(message: Message) -> Iterator[Any]:
    """Several responses."""
    yield message.value
    yield Result(None, key="other", headers=[("h", b"1")], partition=2)


def spin(message: Message) -> None:
    """Never returns, and never sleeps."""
    while True:
        pass


def hog(message: Message) -> None:
    """Takes memory until somebody ends it."""
    taken = []
    while True:
        taken.append(b"x" * 4_000_000)
        time.sleep(0.005)


def start_child(message: Message) -> int:
    """Starts a process that would outlive it."""
    return subprocess.Popen(["sleep", "1000"]).pid


def wait_for_file(message: Message) -> str:
    """Tells that it runs, then waits until a test lets it go on."""
    Path("running").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    return "went on"


ACTIONS: dict[str, Callable[[Message], Any]] = {
    "exit": lambda _: os._exit(3),
    "sys.exit": lambda _: sys.exit("no more"),
    "segfault": lambda _: ctypes.string_at(0),
    "none": lambda _: None,
    "tombstone": lambda _: Result(None),
    "set": lambda _: {1, 2},
    "spin": spin,
    "hog": hog,
    "several": several,
    "child": start_child,
    "pid": lambda _: os.getpid(),
    "wait": wait_for_file,
    "huge": lambda _: "x" * (65 << 20),
    "large": lambda _: "x" * 300_000,
}


async def asynchronous(message: Message) -> None:
    """Is refused."""


not_callable = 42
