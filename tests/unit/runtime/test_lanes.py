"""Lanes: who waits after a failure, and until when."""

from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.runtime.lanes import Lanes

A, U = ("t", 0), ("u", 0)


def test_a_key_belongs_to_its_partition() -> None:
    lanes = Lanes("Key")
    lanes.hold(A, b"a")
    assert not lanes.admits(A, b"a")
    assert lanes.admits(("t", 1), b"a")
    assert lanes.admits(U, b"a")
    assert lanes.admits(A, b"b")


def test_an_empty_key_is_a_key_and_no_key_is_none() -> None:
    lanes = Lanes("Key")
    lanes.hold(A, b"")
    lanes.hold(A, None)
    assert not lanes.admits(A, b"")
    assert lanes.admits(A, None)


def test_by_partition_every_key_waits() -> None:
    lanes = Lanes("Partition")
    lanes.hold(A, b"a")
    assert not lanes.admits(A, None)
    assert lanes.admits(("t", 1), b"a")


def test_unordered_nobody_waits() -> None:
    lanes = Lanes("Unordered")
    lanes.hold(A, b"a")
    assert lanes.admits(A, b"a")
    assert not lanes.held


def test_a_lane_is_held_until_it_is_released_by_name() -> None:
    lanes = Lanes("Key")
    lanes.hold(A, b"a")
    lanes.hold(U, b"a")
    lanes.release([A, U], [(0, b"b"), (1, b"a")])
    assert not lanes.admits(A, b"a")
    assert lanes.admits(U, b"a")
    lanes.release([A, U], [(0, b"a")])
    assert lanes.admits(A, b"a")
    assert not lanes.held


def test_a_partition_is_released_without_a_key() -> None:
    lanes = Lanes("Partition")
    lanes.hold(A, b"a")
    lanes.release([A], [(0, None)])
    assert lanes.admits(A, b"a")


def test_a_release_of_what_is_unknown_is_ignored() -> None:
    lanes = Lanes("Key")
    lanes.hold(A, b"a")
    lanes.release([A], [(0, b"b"), (0, None), (1, b"a"), (-1, b"a")])
    assert not lanes.admits(A, b"a")


def test_a_lane_that_fails_again_is_held_again() -> None:
    lanes = Lanes("Key")
    lanes.hold(A, b"a")
    lanes.release([A], [(0, b"a")])
    lanes.hold(A, b"a")
    assert not lanes.admits(A, b"a")


KEYS = st.sampled_from([b"a", b"b", b"", None])


@given(st.lists(st.tuples(KEYS, st.sampled_from(["succeeds", "fails", "is released"])), max_size=40))
def test_nothing_runs_between_a_failure_of_its_key_and_the_release(steps: list[tuple[bytes | None, str]]) -> None:
    lanes, failed = Lanes("Key"), set()
    for key, what in steps:
        if what == "is released":
            lanes.release([A], [(0, key)])
            failed.discard(key)
            continue
        runs = lanes.admits(A, key)
        assert runs == (key not in failed)
        if runs and what == "fails":
            lanes.hold(A, key)
            if key is not None:
                failed.add(key)
