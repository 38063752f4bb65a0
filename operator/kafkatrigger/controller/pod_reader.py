"""Reads what a pod says about itself. Coarser status is fine where it cannot be read, so nothing here raises."""

import http.client
from typing import NamedTuple

import msgspec

from kafkatrigger.api.consumer_config import STATUS_PORT
from kafkatrigger.api.pod_status import PodStatus

TIMEOUT = 2.0
LONGEST = 1024 * 1024
"""Bytes of an answer that are read."""


class PodAddress(NamedTuple):
    """A pod to ask."""

    uid: str
    ip: str


def read(pod: PodAddress) -> PodStatus | None:
    """The pod's own status, or None where a network policy, a crash or time forbid it."""
    connection = http.client.HTTPConnection(pod.ip, STATUS_PORT, timeout=TIMEOUT)
    try:
        connection.request("GET", "/status")
        return msgspec.json.decode(connection.getresponse().read(LONGEST), type=PodStatus)
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        connection.close()
