"""The functions that kafkatrigger runs in the benchmarks."""

import asyncio
import time
from typing import Any

from kafkatrigger import Message

WAIT_SECONDS = 0.005
BURN_SECONDS = 0.001


def handler(message: Message) -> Any:
    """Adds a field: next to no work, so that what is measured is the way of a message."""
    value = message.value
    value["result"] = value["value"] * 2
    return value


async def wait(message: Message) -> Any:
    """Waits 5 ms, as for another system's answer."""
    await asyncio.sleep(WAIT_SECONDS)
    return handler(message)


def burn(message: Message) -> Any:
    """Takes 1 ms of CPU: not of time, so that what else runs on the machine makes it no longer."""
    end = time.thread_time() + BURN_SECONDS
    while time.thread_time() < end:
        pass
    return handler(message)
