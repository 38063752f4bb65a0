"""A stop (`onFailure: Stop`): found in a partition of this pod, or told by the operator through a file."""

import time
from pathlib import Path

from kafkatrigger.api import stop
from kafkatrigger.api.control import Answer, Resume
from kafkatrigger.consumer import blocked
from kafkatrigger.consumer.lanes import Lane, Lanes

LOOK_INTERVAL = 0.5
"""Seconds between looks at the file."""


class Stopping:
    """Whether the trigger is stopped, as this pod knows."""

    def __init__(self, lanes: Lanes, path: Path) -> None:
        self._lanes = lanes
        self._path = path
        self._look_at = 0.0
        self._told = ""
        """The text of the file."""
        self._ignored: set[str] = set()
        """Texts that were resumed from: the operator may tell of a stop when it is over."""
        self._first: Lane | None = None
        self._text = ""
        """Of the stop at that lane: it says when, and stays the same."""

    @property
    def own(self) -> str:
        """The text of the stop in a partition of this pod; empty where there is none."""
        first = min(self._lanes.stopped, key=blocked.place, default=None)
        if first is not self._first:
            self._first, self._text = first, _text(first) if first else ""
        return self._text

    @property
    def point(self) -> str:
        """The text of the stop that keeps this pod from dispatching; empty where nothing does."""
        return self.own or (self._told if self._told not in self._ignored else "")

    def look(self, now: float) -> None:
        """Reads the file, now and then."""
        if now >= self._look_at:
            self._look_at = now + LOOK_INTERVAL
            try:
                self._told = self._path.read_text().strip()
            except OSError:  # not on a cluster
                self._told = ""

    def resume(self, request: Resume) -> Answer:
        """Goes on, the message that stopped it first."""
        was_stopped = bool(self.point)
        self._ignored = {self._told, self.own}
        blocked.handle(self._lanes, request)
        return Answer(count=int(was_stopped))


def sentence(text: str) -> str:
    """What happened, for people."""
    try:
        point = stop.parse(text)
    except ValueError:
        return "a message failed, and spec.delivery.onFailure is Stop: correct the cause, then kafkatrigger resume"
    return (
        f"the message at {point.topic}, partition {point.partition}, offset {point.offset} failed ({point.error_class}), and "
        "spec.delivery.onFailure is Stop: correct the cause, then kafkatrigger resume"
    )


def _text(lane: Lane) -> str:
    error_class = lane.failure.error_class if lane.failure else "before this pod started"
    partition = lane.partition
    now = round((lane.blocked_at or time.time()) * 1000)
    return stop.StopPoint(partition.topic, partition.number, lane.stopped_at, now, error_class).text()
