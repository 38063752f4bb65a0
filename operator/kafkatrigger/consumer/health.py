"""What the pod says about itself: the last published status, and the age of the engine's last tick."""

import logging
import threading
import time
from typing import NamedTuple

from msgspec.structs import replace

from kafkatrigger.api import pod_status
from kafkatrigger.api.pod_status import PodStatus
from kafkatrigger.consumer.histogram import Histogram

log = logging.getLogger(__name__)

TICK_LIMIT = 60.0
"""Seconds without a tick after which the process is taken for hung. Broker reachability never ends a pod."""

SILENCE_LIMIT = 20.0
"""Seconds without a tick after which the pod is not ready. What the loop said last says nothing of now."""

_SILENT = (
    f"the consumer's loop has not come by for {SILENCE_LIMIT:.0f} seconds: its log says what it did last; when it stays away, "
    "the container is started again"
)


class Measures(NamedTuple):
    """Histograms of the engine, in seconds."""

    execution: Histogram
    end_to_end: Histogram
    commit: Histogram


class Health:
    """Written by the engine's thread, read by the HTTP server's."""

    def __init__(self, trigger: str, group_id: str) -> None:
        self.measures = Measures(Histogram(), Histogram(), Histogram())
        self._lock = threading.Lock()
        self._ticked = time.monotonic()
        self._status = PodStatus(trigger, False, pod_status.BROKER_UNREACHABLE, "the consumer is starting", group_id)

    def tick(self) -> None:
        """The engine's loop came by."""
        self._ticked = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the engine's loop still turns."""
        return self._silence < TICK_LIMIT

    @property
    def _silence(self) -> float:
        return time.monotonic() - self._ticked

    def publish(self, status: PodStatus) -> None:
        """Replaces what readers see; a new reason is news for the log too."""
        if status.reason != self._status.reason:
            log.info("%s: %s", status.reason, status.message, extra={"ready": status.ready})
        with self._lock:
            self._status = status

    @property
    def status(self) -> PodStatus:
        """The last published status, or that there is none from a loop that hangs."""
        with self._lock:
            status = self._status
        if self._silence < SILENCE_LIMIT:
            return status
        return replace(status, ready=False, reason=pod_status.STALLED, message=_SILENT)
