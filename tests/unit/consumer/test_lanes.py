"""Lanes that wait: when they run, what a commit says of them, and what they keep in memory."""

import pytest

from kafkatrigger.api.frames import Failed, Record
from kafkatrigger.consumer.lanes import REREAD, Lane, Lanes
from kafkatrigger.consumer.offsets import BLOCKED, PARTITION, RETRYING, STOPPED, Origin, Parked, Position, start
from kafkatrigger.consumer.partition import Partition

FAILED = Failed("FunctionFailed", "ValueError", "boom", False)


def record(offset: int, attempt: int = 1, size: int = 1) -> Record:
    return (0, offset, 0, attempt, b"k", b"v" * size, None)


def partition(restored: Position | None = None) -> Partition:
    return Partition("t", 0, 100, Origin("Committed"), restored or start(0))


class World:
    def __init__(self, memory: int = 10_000, most: int = 1_000) -> None:
        self.partition = partition()
        self.lanes = Lanes(memory, most)
        self.over: list[Lane] = []
        self.spilled: list[Lane] = []
        self.lanes.over, self.lanes.spilled = self.over.append, self.spilled.append

    def lane(self, lane_id: int = 7) -> Lane:
        return self.lanes.open(self.partition, lane_id, b"k")

    def ready(self, now: float) -> list[Lane]:
        self.lanes.tick(now)
        found = list(self.lanes.ready)
        self.lanes.ready.clear()
        return found


@pytest.fixture
def world() -> World:
    return World()


def test_a_lane_runs_when_it_is_due_and_its_attempts_are_committed(world: World) -> None:
    lane = world.lane()
    world.lanes.put(lane, record(5, attempt=2))
    world.lanes.wait(lane, 10.0, world.partition.commits_sent + 1)
    world.lanes.consider(lane)
    assert world.ready(20.0) == []
    assert world.lanes.needs_commit
    world.partition.commits_sent = world.partition.commits_done = 1
    world.lanes.committed()
    assert not world.lanes.needs_commit
    assert world.lanes.next_due() == 10.0
    assert world.ready(9.9) == []
    assert world.ready(10.0) == [lane]


def test_a_lane_waits_for_all_that_was_under_way(world: World) -> None:
    lane = world.lane()
    lane.running = 2
    world.lanes.put(lane, record(5))
    for offset in (6, 7):
        world.lanes.consider(lane)
        assert world.ready(1.0) == []
        world.lanes.answered(lane, record(offset))
        world.lanes.put(lane, record(offset))
    world.lanes.consider(lane)
    assert world.ready(1.0) == [lane]
    assert [each[1] for each in world.lanes.take(lane, 10)] == [5, 6, 7]


def test_messages_come_out_in_offset_order_and_a_lane_ends_with_its_last(world: World) -> None:
    lane = world.lane()
    for offset in (9, 3, 6):
        world.lanes.put(lane, record(offset))
    world.lanes.consider(lane)
    assert world.ready(0.0) == [lane]
    (first,) = world.lanes.take(lane, 1)
    assert first[1] == 3
    assert (world.lanes.waiting, lane.first) == (2, 3)
    world.lanes.answered(lane, lane.taken[0])
    world.lanes.consider(lane)
    assert world.ready(0.0) == [lane]
    for taken in world.lanes.take(lane, 5):
        world.lanes.answered(lane, taken)
    world.lanes.consider(lane)
    assert world.over == [lane]
    assert (len(world.lanes), world.partition.lanes, world.lanes.waiting, world.lanes.bytes) == (0, {}, 0, 0)


def test_what_a_commit_says_of_a_lane(world: World) -> None:
    lane = world.lane()
    assert lane.parked(100) is None
    world.lanes.put(lane, record(5, attempt=3))
    world.lanes.put(lane, record(8))
    assert lane.parked(100) == Parked(7, 5, 100, 2, RETRYING)


def test_a_blocked_lane_keeps_nothing_in_memory_and_remembers_what_happened(world: World) -> None:
    lane = world.lane()
    world.lanes.put(lane, record(6))
    world.lanes.block(lane, record(5, attempt=4), FAILED, BLOCKED, 1.0)
    assert (lane.records, lane.spilled, lane.waiting, world.lanes.bytes) == ([], 5, 1, 0)
    assert world.spilled == [lane]
    assert lane.parked(100) == Parked(7, 5, 100, 4, BLOCKED)
    world.lanes.put(lane, record(9))
    world.lanes.consider(lane)
    assert (lane.waiting, lane.records, world.ready(99.0)) == (2, [], [])
    assert world.lanes.blocked == {lane}
    world.lanes.unblock(lane, "retry")
    assert (world.lanes.blocked, world.lanes.outside, lane.decision) == (set(), {lane}, "retry")


def test_what_has_no_room_stays_in_the_log() -> None:
    world = World(memory=50)
    lane = world.lane()
    for offset in range(10):
        world.lanes.put(lane, record(offset, size=20))
    assert [each[1] for each in lane.records] == [0]
    assert (lane.spilled, world.lanes.is_full) == (1, False)
    assert lane.parked(100) == Parked(7, 0, 100, 0, RETRYING)


def test_attempts_of_what_has_no_room_are_remembered() -> None:
    world = World(memory=50)
    lane = world.lane()
    world.lanes.put(lane, record(3, attempt=4, size=20))
    for offset in (0, 5, 6):
        world.lanes.put(lane, record(offset, size=20))
    assert [each[1] for each in lane.records] == [0]
    assert (lane.spilled, lane.tried) == (3, {3: 3})
    world.lanes.put(lane, record(7, attempt=2, size=20))
    assert lane.tried == {3: 3, 7: 1}


def test_attempts_of_what_is_behind_a_blocked_message_are_remembered(world: World) -> None:
    """An innocent before a suspect runs again, and fails for good."""
    lane = world.lane()
    world.lanes.put(lane, record(6, attempt=3))
    world.lanes.block(lane, record(5, attempt=4), FAILED, BLOCKED, 1.0)
    assert lane.tried == {5: 4, 6: 2}
    world.lanes.unblock(lane, "retry")
    assert lane.tried == {6: 2}


def test_attempts_told_by_a_commit_outlast_an_earlier_message_that_is_spilled() -> None:
    world = World(memory=50)
    world.partition = partition(Position(5, 50, [], [Parked(7, 5, 50, 2, RETRYING)]))
    world.lanes.restore(world.partition)
    lane = world.partition.lanes[7]
    for offset in (0, 1, 2):
        world.lanes.put(lane, record(offset, size=20))
    assert (lane.spilled, lane.tried) == (1, {5: 2})


def test_a_commit_names_the_message_that_used_up_attempts(world: World) -> None:
    """An innocent before a suspect was put back."""
    lane = world.lane()
    world.lanes.put(lane, record(5, attempt=3))
    world.lanes.put(lane, record(2))
    assert lane.parked(100) == Parked(7, 5, 100, 2, RETRYING, 2)


def test_a_lane_stopped_by_a_commit_remembers_where_when_an_earlier_message_is_open(world: World) -> None:
    world.partition = partition(Position(2, 50, [(2, 3)], [Parked(7, 5, 50, 4, BLOCKED)]))
    world.lanes.restore(world.partition)
    lane = world.partition.lanes[7]
    world.lanes.put(lane, record(2))
    assert (lane.stopped_at, lane.spilled) == (5, 2)
    assert lane.parked(50) == Parked(7, 5, 50, 4, BLOCKED, 2)
    world.lanes.unblock(lane, "retry")
    assert lane.tried == {}


def test_a_lane_that_blocks_is_not_read_again(world: World) -> None:
    """One that a commit told of waits for that, and an earlier message of it, still open, fails for good meanwhile."""
    world.partition = partition(Position(5, 50, [], [Parked(7, 5, 50, 0, RETRYING)]))
    world.lanes.restore(world.partition)
    lane = world.partition.lanes[7]
    world.lanes.block(lane, record(3), FAILED, BLOCKED, 1.0)
    assert (lane.spilled, world.lanes.outside) == (3, set())


def test_a_lane_of_a_commit_gets_to_know_its_key(world: World) -> None:
    """By which its worker knows it, which holds the lane until it is told that it goes on."""
    world.partition = partition(Position(5, 50, [], [Parked(7, 5, 50, 0, RETRYING)]))
    world.lanes.restore(world.partition)
    lane = world.partition.lanes[7]
    world.lanes.put(lane, record(3))
    assert lane.key == b"k"


def test_lanes_of_a_commit_begin_outside_memory() -> None:
    world = World()
    parked = [Parked(7, 5, 50, 2, RETRYING), Parked(8, 6, 50, 5, BLOCKED), Parked(PARTITION, 7, 50, 3, STOPPED)]
    world.partition = partition(Position(5, 50, [], parked))
    world.lanes.restore(world.partition)
    lanes = world.partition.lanes
    assert world.lanes.outside == {lanes[7]}
    assert (world.lanes.blocked, world.lanes.stopped) == ({lanes[8]}, {lanes[PARTITION]})
    assert [lane.parked(20) for lane in lanes.values()] == parked


def test_reading_again_brings_a_part_at_a_time(world: World) -> None:
    lane = world.lane()
    world.lanes.block(lane, record(0, attempt=2), FAILED, BLOCKED, 1.0)
    world.lanes.unblock(lane, "retry")
    offset = 0
    while world.lanes.read_again(lane, record(offset)):
        offset += 1
    assert offset == REREAD - 1
    assert lane.spilled == REREAD
    world.lanes.leave_outside(lane)
    assert world.ready(0.0) == [lane]
    assert lane.parked(100) == Parked(7, 0, 100, 0, RETRYING)


def test_lanes_of_a_revoked_partition_are_forgotten(world: World) -> None:
    lane = world.lane()
    world.lanes.put(lane, record(5))
    world.lanes.consider(lane)
    world.partition.revoked = True
    world.lanes.drop_revoked()
    assert (world.ready(9.0), len(world.lanes), world.lanes.waiting, world.lanes.bytes, world.over) == ([], 0, 0, 0, [])
