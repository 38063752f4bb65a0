"""What a commit can speak of, against a simple model: sets of offsets."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kafkatrigger.consumer.fitting import admissible, fitting, said, without
from kafkatrigger.consumer.offsets import METADATA_LIMIT, Origin, Position, position, start

ORIGIN = Origin("Committed")
offsets = st.sets(st.integers(0, 300), max_size=200)


def is_open(at: Position, offset: int) -> bool:
    return at.is_open(offset, -2 - offset)


def opened(end: int, still_open: set[int]) -> Position:
    return position(end, still_open, [], start(0))


@given(still_open=offsets, chosen=offsets)
def test_without_closes_just_what_is_named(still_open: set[int], chosen: set[int]) -> None:
    at = opened(301, still_open)
    done = without(at, sorted(chosen & still_open))
    assert done == opened(301, still_open - chosen)


def test_what_has_room_is_said_in_full() -> None:
    at = opened(1000, set(range(0, 1000, 7)))
    assert said(ORIGIN, at).position == at


@settings(max_examples=30, deadline=None)
@given(step=st.integers(2, 5), floor=st.integers(0, 20_000))
def test_a_commit_takes_back_nothing_below_its_floor(step: int, floor: int) -> None:
    at = opened(20_000, set(range(0, 20_000, step)))
    found = fitting(ORIGIN, at, floor)
    assert said(ORIGIN, at).position.bound < 20_000, "it has no room for all"
    if found is not None:
        assert len(found.text) <= METADATA_LIMIT
        assert all(is_open(found.position, offset) == is_open(at, offset) for offset in range(floor))


@settings(max_examples=30, deadline=None)
@given(step=st.integers(2, 5), kept=st.integers(1, 5000))
def test_the_lowest_results_are_admitted_as_far_as_there_is_room(step: int, kept: int) -> None:
    """All of `results` wait; what is between them stays open, as messages that run for long."""
    results = [offset for offset in range(kept, 20_000) if offset % step]
    at = opened(20_000, set(range(20_000)))
    count = admissible(ORIGIN, at, results, 0)
    assert 0 < count < len(results)
    found = fitting(ORIGIN, without(at, results[:count]), results[count - 1] + 1)
    assert found is not None
    assert not any(is_open(found.position, offset) for offset in results[:count])
    assert fitting(ORIGIN, without(at, results[: count + 1]), results[count] + 1) is None


def test_results_that_close_gaps_are_admitted_where_the_metadata_is_full() -> None:
    still_open = set(range(0, 20_000, 2))
    before = said(ORIGIN, opened(20_000, still_open)).position
    results = sorted(still_open)[:100]
    assert admissible(ORIGIN, opened(20_000, still_open), results, before.bound) == 100


def test_nothing_is_admitted_where_nothing_fits() -> None:
    at = opened(20_000, set(range(0, 20_000, 2)))
    assert admissible(ORIGIN, at, [19_998], 20_000) == 0
