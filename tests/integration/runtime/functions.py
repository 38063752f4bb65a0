"""What the tests run. Copied beside the runtime's socket, so that the runtime finds it as a user's module."""

import asyncio
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from kafkatrigger import Failure, Message, Permanent, Result, Retriable, batch


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


def in_one_call(messages: list[Message]) -> Any:
    """Does what the values say; the results name the offsets of the call."""
    if any(message.value == "short" for message in messages):
        return []
    if any(message.value == "mutate" for message in messages):
        for message in messages:
            message.value = "mutated"
        raise ValueError("after a change")
    return [_in_a_call(message, [each.offset for each in messages]) for message in messages]


def _in_a_call(message: Message, offsets: list[int]) -> Any:
    match message.value:
        case None:
            return offsets
        case {"fail": text}:
            return Failure(text)
        case {"fail permanently": text}:
            return Failure(KeyError(text), permanent=True)
        case {"generate": _}:
            return (part for part in offsets)
        case _:
            return obedient(message)


of_keys = batch(size=4)(in_one_call)


@batch(size=4, same_key=True)
def of_any(messages: list[Message]) -> Any:
    """Several messages of a key in a call."""
    return in_one_call(messages)


@batch()
async def asynchronous_batch(messages: list[Message]) -> None:
    """Is refused."""


@batch()
def generating_batch(messages: list[Message]) -> Iterator[Any]:
    """Is refused."""
    yield 1


async def asynchronous(message: Message) -> Any:
    """Does what the value says, and lets others run meanwhile."""
    match message.value:
        case {"sleep": seconds}:
            await asyncio.sleep(seconds)
            return "slept"
        case {"await": path}:
            Path(f"{path}-awaited").touch()
            while not Path(path).exists():
                await asyncio.sleep(0.005)
            return path
        case {"order": number}:
            await asyncio.sleep(0.002 * (number % 3))
            with Path("order").open("a") as file:
                file.write(f"{message.key} {message.offset}\n")
            return number
        case str(action) if action in ASYNC_ACTIONS:
            return await ASYNC_ACTIONS[action]()
        case _:
            return obedient(message)


async def swallow() -> None:
    """Does not let itself be cancelled."""
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            Path("swallowed").touch()


async def end_late() -> str:
    """Answers in spite of being cancelled."""
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        await asyncio.sleep(0.05)
    return "late"


async def cancel_itself() -> None:
    """Raises what asyncio cancels with."""
    raise asyncio.CancelledError


async def cancel_its_task() -> None:
    """Has its own task cancelled."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(1000)


async def inner_timeout() -> str:
    """Uses asyncio's own timeout, which looks at how often the task was cancelled."""
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(1000)
    except TimeoutError:
        return "timed out inside"
    return "never"


async def block() -> None:
    """Keeps the event loop from everything else."""
    Path("blocked").touch()
    time.sleep(1000)


async def count_large() -> str:
    """A large result, and a byte in a file for each."""
    with Path("counted").open("a") as file:
        file.write(".")
    return "x" * 300_000


async def spin_until_answered() -> str:
    """Never waits, and takes some time until a test has its first results."""
    if Path("answered").exists():
        return "answered"
    time.sleep(0.01)
    return "not yet"


ASYNC_ACTIONS: dict[Any, Callable[[], Any]] = {
    "swallow": swallow,
    "end late": end_late,
    "cancel itself": cancel_itself,
    "cancel its task": cancel_its_task,
    "inner timeout": inner_timeout,
    "block": block,
    "large counted": count_large,
    "spin until answered": spin_until_answered,
}


async def asynchronous_several(message: Message) -> AsyncIterator[Any]:
    """Several responses."""
    yield message.value
    await asyncio.sleep(0)
    yield Result(None, key="other")
    if message.value == "raise":
        raise ValueError("halfway")


not_callable = 42
