"""A stop in a partition of this pod, as its loop asks for it at each turn."""

from pathlib import Path

from kafkatrigger.api import stop
from kafkatrigger.api.control import Resume
from kafkatrigger.consumer.lanes import Lanes
from kafkatrigger.consumer.offsets import BLOCKED, STOPPED, Origin, Parked, Position
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.stopping import Stopping


def test_the_first_stop_is_named_until_it_is_resumed() -> None:
    lanes = Lanes(1_000, 100)
    parked = [Parked(7, 5, 50, 2, BLOCKED), Parked(8, 9, 50, 5, STOPPED), Parked(9, 6, 50, 5, STOPPED)]
    lanes.restore(Partition("t", 0, 50, Origin("Committed"), Position(5, 50, [], parked)))
    stopping = Stopping(lanes, Path("/nonexistent"))
    text = stopping.point
    assert stop.parse(text).offset == 6
    assert stopping.point == text
    assert stopping.resume(Resume()).count == 1
    assert (stopping.point, lanes.stopped, len(lanes.blocked)) == ("", set(), 1)
