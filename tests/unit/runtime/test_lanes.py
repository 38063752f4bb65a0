"""Lanes: who waits after a failure, and until when."""

from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.runtime.lanes import Lanes


def test_a_key_belongs_to_its_partition() -> None:
    lanes = Lanes("Key")
    lanes.hold("t", 0, b"a")
    assert not lanes.admits("t", 0, b"a")
    assert lanes.admits("t", 1, b"a")
    assert lanes.admits("u", 0, b"a")
    assert lanes.admits("t", 0, b"b")


def test_an_empty_key_is_a_key_and_no_key_is_none() -> None:
    lanes = Lanes("Key")
    lanes.hold("t", 0, b"")
    lanes.hold("t", 0, None)
    assert not lanes.admits("t", 0, b"")
    assert lanes.admits("t", 0, None)


def test_by_partition_every_key_waits() -> None:
    lanes = Lanes("Partition")
    lanes.hold("t", 0, b"a")
    assert not lanes.admits("t", 0, None)
    assert lanes.admits("t", 1, b"a")


def test_unordered_nobody_waits() -> None:
    lanes = Lanes("Unordered")
    lanes.hold("t", 0, b"a")
    assert lanes.admits("t", 0, b"a")
    assert not lanes.held


def test_a_lane_is_released_when_the_consumer_has_seen_its_last_answer() -> None:
    lanes = Lanes("Key")
    lanes.begin_batch(1, seen=0)
    lanes.hold("t", 0, b"a")
    lanes.begin_batch(2, seen=0)
    assert not lanes.admits("t", 0, b"a")
    lanes.begin_batch(3, seen=1)
    assert not lanes.admits("t", 0, b"a")
    lanes.begin_batch(4, seen=3)
    assert lanes.admits("t", 0, b"a")


def test_a_lane_that_fails_again_is_held_again() -> None:
    lanes = Lanes("Key")
    lanes.begin_batch(1, seen=0)
    lanes.hold("t", 0, b"a")
    lanes.begin_batch(2, seen=1)
    assert lanes.admits("t", 0, b"a")
    lanes.hold("t", 0, b"a")
    assert not lanes.admits("t", 0, b"a")


def test_lanes_that_are_over_are_forgotten() -> None:
    lanes = Lanes("Key")
    for batch in range(1, 100):
        lanes.begin_batch(batch, seen=batch - 3)
        lanes.hold("t", 0, b"%d" % batch)
    assert len(lanes.held) == 3


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"", None]), st.booleans()), max_size=30))
def test_nothing_runs_after_a_failure_of_its_key(messages: list[tuple[bytes | None, bool]]) -> None:
    lanes, failed = Lanes("Key"), set()
    lanes.begin_batch(1, seen=0)
    for key, fails in messages:
        runs = lanes.admits("t", 0, key)
        assert runs == (key not in failed)
        if runs and fails:
            lanes.hold("t", 0, key)
            if key is not None:
                failed.add(key)
