"""What people are told about keys that wait for them, and what becomes of their decisions."""

import pytest

from kafkatrigger.api.control import Action, BlockedRef, ListBlocked, ResolveBlocked, Resume
from kafkatrigger.api.frames import Failed, Record
from kafkatrigger.consumer import blocked
from kafkatrigger.consumer.lanes import Lane, Lanes
from kafkatrigger.consumer.offsets import BLOCKED, RETRYING, STOPPED, Origin, Parked, Position, State, start
from kafkatrigger.consumer.partition import Partition

FAILED = Failed("FunctionFailed", "ValueError", "boom", False)


class World:
    def __init__(self) -> None:
        self.partition = Partition("t", 3, 100, Origin("Committed"), start(0))
        self.lanes = Lanes(10_000, 1_000)

    def block(self, offset: int, state: State = BLOCKED) -> Lane:
        """The lane of a key of its own stops at this message."""
        key = b"k%d" % offset
        lane = self.lanes.open(self.partition, offset, key)
        record: Record = (0, offset, 42, 5, key, b"v", None)
        self.lanes.block(lane, record, FAILED, state, 7.0)
        return lane

    @property
    def listed(self) -> list[int]:
        return [key.offset for key in blocked.handle(self.lanes, ListBlocked()).blocked]

    def resolve(self, action: Action, *offsets: int, topic: str = "t", partition: int = 3) -> int:
        refs = [BlockedRef(topic, partition, offset) for offset in offsets]
        return blocked.handle(self.lanes, ResolveBlocked(action, refs)).count


@pytest.fixture
def world() -> World:
    return World()


def test_a_blocked_key_is_described(world: World) -> None:
    lane = world.block(9)
    lane.waiting = 4
    (key,) = blocked.handle(world.lanes, ListBlocked()).blocked
    assert (key.topic, key.partition, key.offset, key.key) == ("t", 3, 9, b"k9")
    assert (key.attempts, key.reason, key.error_class, key.message) == (5, "FunctionFailed", "ValueError", "boom")
    assert (key.timestamp, key.blocked_at, key.waiting) == (42, 7_000, 4)


def test_after_a_restart_it_is_known_by_its_offset_alone(world: World) -> None:
    world.partition.restored = Position(9, 100, [], [Parked(9, 9, 100, 5, BLOCKED)])
    world.lanes.restore(world.partition)
    (key,) = blocked.handle(world.lanes, ListBlocked()).blocked
    assert (key.offset, key.key, key.attempts, key.timestamp) == (9, None, 5, 0)
    assert key.message == "it failed before this pod started"


def test_they_are_listed_in_their_order_and_without_those_of_a_stop(world: World) -> None:
    for offset in (30, 10, 20):
        world.block(offset)
    stopped = world.block(5, STOPPED)
    assert world.listed == [10, 20, 30]
    assert world.lanes.stopped == {stopped}


@pytest.mark.parametrize("action", ["retry", "skip", "dead-letter"])
def test_a_decision_is_for_the_named_keys_and_once(world: World, action: Action) -> None:
    first, second = world.block(10), world.block(20)
    assert world.resolve(action, 10, 11) == 1
    assert (first.state, first.decision, second.state) == (RETRYING, action, BLOCKED)
    assert world.listed == [20]
    assert world.resolve(action, 10) == 0
    assert world.resolve(action, 20, topic="other") == world.resolve(action, 20, partition=4) == 0


def test_a_stop_is_ended_by_resuming_and_by_nothing_else(world: World) -> None:
    lane, other = world.block(10, STOPPED), world.block(20)
    assert world.resolve("skip", 10) == 0
    assert lane.state == STOPPED
    assert blocked.handle(world.lanes, Resume()).count == 1
    assert (lane.state, lane.decision, lane in world.lanes.foremost) == (RETRYING, "retry", True)
    assert other.state == BLOCKED


def test_a_decision_is_on_record(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.block(9)
    world.resolve("skip", 9)
    (line,) = caplog.records
    assert line.getMessage() == "t-3-9: somebody decided: skip"
    assert (vars(line)["topic"], vars(line)["partition"], vars(line)["offset"]) == ("t", 3, 9)
