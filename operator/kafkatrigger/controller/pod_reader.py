"""Reads what a pod says about itself. Coarser status is fine where it cannot be read, so nothing here raises.

A pod that is not ready is asked why, soon and often. One that is ready is asked seldom, for what does not end readiness:
blocked keys, a dead-letter topic that refuses writes, retention, and how far its partitions are. One that is leaving is
asked until it is gone: how far it came is remembered.
"""

import http.client
import random
from typing import NamedTuple

import msgspec

from kafkatrigger.api.consumer_config import STATUS_PORT
from kafkatrigger.controller.reports import Report

TIMEOUT = 2.0
LONGEST = 8 * 1024 * 1024
"""Bytes of an answer that are read: more than 20,000 partitions."""

WAITING_PAUSE = 5.0
"""Seconds until a pod that is not ready is asked again."""
READY_PAUSE = 60.0
"""Seconds until a pod that is ready is asked again; more where there are so many pods that READY_RATE forbids it."""
READY_RATE = 50.0
"""Most questions a second to pods that are ready; as many go to those that are leaving."""
LEAVING_PAUSE = 1.0
"""Seconds until a pod that is leaving is asked again, which it may be for as long as its drain takes."""


class PodAddress(NamedTuple):
    """A pod to ask."""

    uid: str
    ip: str


def read(pod: PodAddress) -> Report | None:
    """The pod's own status, or None where a network policy, a crash or time forbid it."""
    connection = http.client.HTTPConnection(pod.ip, STATUS_PORT, timeout=TIMEOUT)
    try:
        connection.request("GET", "/status")
        return msgspec.json.decode(connection.getresponse().read(LONGEST), type=Report)
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        connection.close()


def judge_waiting(_before: Report | None, found: Report | None) -> tuple[Report | None, float]:
    """What to believe of a pod that is not ready, and seconds until it is asked again."""
    return found, WAITING_PAUSE


def judge_ready(before: Report | None, found: Report | None, pods: int) -> tuple[Report | None, float]:
    """The same of one of `pods` pods that are ready; what it said stands while it cannot be read."""
    return found or before, _paced(READY_PAUSE, pods)


def judge_leaving(before: Report | None, found: Report | None, pods: int) -> tuple[Report | None, float]:
    """The same of one of `pods` pods that are leaving; what it said last counts."""
    return found or before, _paced(LEAVING_PAUSE, pods)


def _paced(pause: float, pods: int) -> float:
    return max(pause, pods / READY_RATE) * random.uniform(0.8, 1.2)  # noqa: S311 - so that questions do not bunch
