"""Lanes against a model of what has to happen to each message."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kafkatrigger.api.frames import Record
from kafkatrigger.consumer.lanes import Lane, Lanes, size
from kafkatrigger.consumer.partition import Partition

KEYS = ["a", "b", "c"]


def record(offset: int, value: bytes | None = b"value") -> Record:
    return (0, offset, 0, 1, b"key", value, None)


class LanesMachine(RuleBasedStateMachine):
    """Puts, takes and finishes at random; the model is a list of offsets for each lane, waiting and running."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes()
        self.partition = Partition("t", 0, 0, "Committed")
        self.now = 0.0
        self.next_offset = 0
        self.waiting: dict[str, dict[int, float]] = {key: {} for key in KEYS}
        self.running: dict[str, list[int]] = {key: [] for key in KEYS}

    @rule(key=st.sampled_from(KEYS), delay=st.sampled_from([0.0, 1.0, 5.0]))
    def put(self, key: str, delay: float) -> None:
        self.lanes.put(key, self.partition, record(self.next_offset), self.now + delay if delay else 0.0)
        self.waiting[key][self.next_offset] = self.now + delay
        self.next_offset += 1

    @rule(seconds=st.sampled_from([0.5, 1.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(count=st.integers(1, 3))
    def run_what_is_due(self, count: int) -> None:
        for lane in list(self.lanes.due(self.now)):
            self._take(lane, count)

    def _take(self, lane: Lane, count: int) -> None:
        key = str(lane.id)
        taken = [each[1] for each in self.lanes.take(lane, count, self.now)]
        assert taken == sorted(self.waiting[key])[: len(taken)]
        if taken:
            assert not self.running[key]
            assert max(self.waiting[key].values()) <= self.now
        for offset in taken:
            del self.waiting[key][offset]
        self.running[key] += taken

    @precondition(lambda self: any(self.running.values()))
    @rule(data=st.data(), fails=st.booleans(), delay=st.sampled_from([0.0, 2.0]))
    def one_is_answered(self, data: st.DataObject, fails: bool, delay: float) -> None:
        key = data.draw(st.sampled_from([key for key in KEYS if self.running[key]]))
        offset = self.running[key].pop(0)
        if fails:
            self.lanes.put(key, self.partition, record(offset), self.now + delay)
            self.waiting[key][offset] = self.now + delay
        self.lanes.finished(key, self.now)

    @invariant()
    def nothing_is_lost(self) -> None:
        offsets = sorted(offset for waiting in self.waiting.values() for offset in waiting)
        assert sorted(offset for _, offset in self.lanes.open_offsets()) == offsets
        assert self.lanes.waiting == len(offsets)
        assert self.lanes.bytes == len(offsets) * size(record(0))
        assert {key for key in KEYS if key in self.lanes} == {
            key for key in KEYS if self.waiting[key] or self.running[key]
        }

    def teardown(self) -> None:
        """Whatever happened before, everything that waits runs in the end."""
        for key in KEYS:
            while self.running[key]:
                self.running[key].pop()
                self.lanes.finished(key, self.now)
        for _ in range(self.next_offset + 1):
            self.now += 100
            for lane in list(self.lanes.due(self.now)):
                self._take(lane, 2)
            for key in KEYS:
                for _ in self.running[key]:
                    self.lanes.finished(key, self.now)
                self.running[key].clear()
        assert not any(self.waiting.values())
        assert not self.lanes
        assert (self.lanes.waiting, self.lanes.bytes) == (0, 0)


TestLanes = LanesMachine.TestCase
TestLanes.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_lane_that_becomes_due_later_while_it_is_queued_waits() -> None:
    lanes, partition = Lanes(), Partition("t", 0, 0, "Committed")
    lanes.put("a", partition, record(2))
    (lane,) = lanes.due(0.0)
    lanes.put("a", partition, record(1), due=5.0)
    assert lanes.take(lane, 10, now=1.0) == []
    assert list(lanes.due(4.9)) == []
    (lane,) = lanes.due(5.0)
    assert [each[1] for each in lanes.take(lane, 10, now=5.0)] == [1, 2]


def test_the_lanes_of_a_partition_that_was_given_up_are_forgotten() -> None:
    lanes = Lanes()
    kept, gone = (Partition("t", number, 0, "Committed") for number in (0, 1))
    lanes.put((kept, b"a"), kept, record(1))
    lanes.put((gone, b"a"), gone, record(2))
    queued = list(lanes.due(0.0))
    gone.revoked = True
    lanes.drop_revoked()
    assert [offset for _, offset in lanes.open_offsets()] == [1]
    assert [[each[1] for each in lanes.take(lane, 10, 0.0)] for lane in queued] == [[1], []]
    lanes.finished((gone, b"a"), 0.0)
    assert lanes.bytes == 0


def test_a_message_is_as_large_as_all_that_it_carries() -> None:
    assert size((0, 0, 0, 1, b"key", b"value", [("name", b"content"), ("n", None)])) == 3 + 5 + 4 + 7 + 1
    assert size((0, 0, 0, 1, None, None, None)) == 0
