"""What a pass over a partition does with reports that come late. The client is a fake, to say things in that order."""

from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError

from kafkatrigger.api.frames import Record
from kafkatrigger.consumer import rereading
from kafkatrigger.consumer.lanes import Lane, Lanes
from kafkatrigger.consumer.offsets import Origin, lane_of, start
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.rereading import Rereader

KEY = b"k"


class _Message:
    def __init__(self, offset: int, error: KafkaError | None = None) -> None:
        self._offset, self._error = offset, error

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def error(self) -> KafkaError | None:
        return self._error

    def key(self) -> bytes:
        return KEY

    def value(self) -> bytes:
        return b"1"

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, 0


class _Client:
    """A consumer that says what it is told to say."""

    says: ClassVar[list[_Message]] = []

    def __init__(self, _: Any) -> None:
        self.assigned: list[int] = []

    def incremental_assign(self, places: list[Any]) -> None:
        self.assigned += [place.offset for place in places]

    def incremental_unassign(self, places: list[Any]) -> None:
        del self.assigned[: len(places)]

    def consume(self, *_: Any) -> list[_Message]:
        said, _Client.says = _Client.says, []
        return said


def _end(offset: int) -> _Message:
    return _Message(offset, KafkaError(KafkaError._PARTITION_EOF))


@pytest.fixture
def delivered(monkeypatch: pytest.MonkeyPatch) -> tuple[Rereader, Lane, Partition, list[int]]:
    monkeypatch.setattr(rereading, "Consumer", _Client)
    lanes = Lanes(1 << 20, 1000)
    partition = Partition("t", 0, 5, Origin(""), start(0))
    lane = lanes.open(partition, lane_of("Key", KEY, 0), KEY)
    lane.spilled = 4
    lanes.consider(lane)
    offsets: list[int] = []

    def deliver(of: Lane, record: Record) -> bool:
        offsets.append(record[1])
        return lanes.read_again(of, record)

    return Rereader({}, "Key", lanes, deliver), lane, partition, offsets


def test_an_end_from_before_the_latest_read_is_not_the_end(
    delivered: tuple[Rereader, Lane, Partition, list[int]],
) -> None:
    """Two consumers read the log: the end that one was told of may be old by what the other has read since."""
    rereader, lane, partition, offsets = delivered
    rereader.step()
    _Client.says = [_Message(4), _end(5)]
    partition.end = 7  # 5 and 6 came by, and were left to the pass
    rereader.step()
    assert (offsets, lane.spilled, rereader.busy) == ([4], 5, True)
    _Client.says = [_Message(5), _Message(6), _end(7)]
    rereader.step()
    assert (offsets, lane.spilled, rereader.busy) == ([4, 5, 6], None, False)


def test_what_was_not_read_yet_is_left_to_the_group_member(
    delivered: tuple[Rereader, Lane, Partition, list[int]],
) -> None:
    rereader, lane, partition, offsets = delivered
    partition.end = 6
    rereader.step()
    _Client.says = [_Message(4), _Message(5), _Message(6), _Message(7)]
    rereader.step()
    assert (offsets, lane.spilled, rereader.busy) == ([4, 5], None, False)


def test_attempts_of_a_message_that_was_not_read_yet_are_not_forgotten(
    delivered: tuple[Rereader, Lane, Partition, list[int]],
) -> None:
    """After a restart a lane may begin above the first message that is still open."""
    rereader, lane, partition, offsets = delivered
    partition.end, lane.tried, lane.restored_until = 2, {4: 3}, 5
    rereader.step()
    assert (rereader.busy, lane.spilled, lane.tried) == (False, 4, {4: 3})
    partition.end = 5
    rereader.step()
    _Client.says = [_Message(4)]
    rereader.step()
    assert offsets == [4]
