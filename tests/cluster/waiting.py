"""Waiting for a condition."""

import socket
import time
from collections.abc import Callable

from .errors import ClusterError


def holds_within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Returns as soon as `condition` holds; False when it never did."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def wait_until(condition: Callable[[], bool], *, what: str, seconds: float, advice: str = "") -> None:
    """Returns when `condition` holds; raises `ClusterError` after `seconds`."""
    if not holds_within(seconds, condition):
        raise ClusterError(f"waited {seconds:.0f} s in vain for {what}", advice)


def accepts_connections(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """Ports of the loopback device that nobody listens on now; held together, so that all of them differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
