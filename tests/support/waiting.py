"""Waiting for a condition instead of sleeping."""

import time
from collections.abc import Callable
from typing import Literal, TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T | Literal[False] | None], seconds: float = 60.0, what: str = "the condition") -> T:
    """The first truthy value of `condition`; AssertionError when none came in time."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds:.0f} s; last: {value!r}"
        time.sleep(0.05)
