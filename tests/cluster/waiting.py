"""Waiting for a condition."""

import http.client
import random
import socket
import time
from collections.abc import Callable

from .errors import ClusterError

_SERVER_PORTS = (15000, 30000)


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


def answers_http(host: str, port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_ports(count: int) -> list[int]:
    """Ports of the loopback device that nobody listens on now.

    They are below those that the kernel gives to outgoing connections. Otherwise a client that tries again and again
    while its server is down is connected to itself one day, and holds the port when the server comes back.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(*_SERVER_PORTS)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        # As servers do: a port that was in use a moment ago counts as free.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
