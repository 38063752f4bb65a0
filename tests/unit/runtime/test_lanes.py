"""Lanes: who waits after a failure, and until when."""

from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.runtime.lanes import Lanes


def test_a_key_belongs_to_its_partition() -> None:
    lanes = Lanes("Key")
    lanes.hold("t", 0, b"a")
    assert not lanes.admits("t", 0, b"a", resume=False)
    assert lanes.admits("t", 1, b"a", resume=False)
    assert lanes.admits("u", 0, b"a", resume=False)
    assert lanes.admits("t", 0, b"b", resume=False)


def test_an_empty_key_is_a_key_and_no_key_is_none() -> None:
    lanes = Lanes("Key")
    lanes.hold("t", 0, b"")
    lanes.hold("t", 0, None)
    assert not lanes.admits("t", 0, b"", resume=False)
    assert lanes.admits("t", 0, None, resume=False)


def test_by_partition_every_key_waits() -> None:
    lanes = Lanes("Partition")
    lanes.hold("t", 0, b"a")
    assert not lanes.admits("t", 0, None, resume=False)
    assert lanes.admits("t", 1, b"a", resume=False)


def test_unordered_nobody_waits() -> None:
    lanes = Lanes("Unordered")
    lanes.hold("t", 0, b"a")
    assert lanes.admits("t", 0, b"a", resume=False)
    assert not lanes.held


def test_a_batch_that_resumes_releases_each_lane_once() -> None:
    lanes = Lanes("Key")
    lanes.hold("t", 0, b"a")
    lanes.begin_batch()
    assert lanes.admits("t", 0, b"a", resume=True)
    lanes.hold("t", 0, b"a")
    assert not lanes.admits("t", 0, b"a", resume=True)
    lanes.begin_batch()
    assert lanes.admits("t", 0, b"a", resume=True)


def test_a_failure_before_the_lanes_first_message_of_that_batch_is_released() -> None:
    lanes = Lanes("Key")
    lanes.hold("t", 0, b"a")
    lanes.begin_batch()
    assert lanes.admits("t", 0, b"b", resume=True)
    assert not lanes.admits("t", 0, b"a", resume=False)
    assert lanes.admits("t", 0, b"a", resume=True)


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"", None]), st.booleans()), max_size=30))
def test_nothing_runs_after_a_failure_of_its_key(messages: list[tuple[bytes | None, bool]]) -> None:
    lanes, failed = Lanes("Key"), set()
    lanes.begin_batch()
    for key, fails in messages:
        runs = lanes.admits("t", 0, key, resume=False)
        assert runs == (key not in failed)
        if runs and fails:
            lanes.hold("t", 0, key)
            if key is not None:
                failed.add(key)
