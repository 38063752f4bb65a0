"""The table that says what runs, and the stopwatch beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.api.frames import Batch, FrameError, Record
from kafkatrigger.runtime.progress import SLOTS, Progress, Running, Stopwatch, create_table, in_run


def two_sides() -> tuple[Progress, Progress]:
    """The table as worker and supervisor see it."""
    descriptor = create_table()
    return Progress(descriptor), Progress(descriptor)


def test_nothing_runs_at_first() -> None:
    _, supervisor = two_sides()
    assert supervisor.running() == []
    assert not supervisor.has_begun


def batch(number: int, size: int = 3) -> Batch:
    record: Record = (0, 0, 0, 1, None, None, None)
    return Batch(number, [("t", 0)], [record] * size)


def named(progress: Progress) -> list[tuple[int, int]]:
    return [(each.batch, each.index) for each in progress.running()]


def test_a_start_is_seen_with_batch_and_index() -> None:
    worker, supervisor = two_sides()
    base = worker.begin(batch(7))
    assert supervisor.running() == []
    assert supervisor.has_begun
    for index in (0, 2):
        worker.words[0] = base + index
        assert named(supervisor) == [(7, index)]
    worker.clear()
    assert supervisor.running() == []


def test_slots_are_apart_and_cleared_from_the_first() -> None:
    worker, supervisor = two_sides()
    worker.words[0], worker.words[SLOTS - 1] = worker.begin(batch(1)), worker.begin(batch(2)) + 1
    assert named(supervisor) == [(1, 0), (2, 1)]
    worker.clear(SLOTS - 1)
    assert named(supervisor) == [(2, 1)]


@given(st.integers(0, (1 << 40) - 1), st.integers(0, (1 << 20) - 2), st.integers(0, 7))
def test_any_number_says_its_batch_and_index(number: int, index: int, run: int) -> None:
    worker, supervisor = two_sides()
    worker.words[3] = in_run(worker.begin(batch(number)), run) + index
    assert named(supervisor) == [(number, index)]


def test_runs_of_a_message_differ() -> None:
    worker, supervisor = two_sides()
    base, seen = worker.begin(batch(1)), set()
    for run in range(8):
        worker.words[0] = in_run(base, run)
        seen |= set(supervisor.running())
    assert len(seen) == 8


def test_a_batch_that_numbers_do_not_suffice_for_is_refused() -> None:
    worker, _ = two_sides()
    with pytest.raises(FrameError, match="a batch of 1048576 records"):
        worker.begin(batch(1, 1 << 20))


def test_what_blocks_the_loop_is_named_while_it_runs() -> None:
    worker, supervisor = two_sides()
    assert supervisor.blocking() is None
    worker.words[5] = worker.begin(batch(4)) + 2
    worker.note_blocking(5)
    blocking = supervisor.blocking()
    assert blocking is not None
    assert (blocking.batch, blocking.index) == (4, 2)
    worker.words[5] = 0
    assert supervisor.blocking() is None
    worker.note_blocking(None)
    assert supervisor.blocking() is None


def test_a_message_is_overdue_when_it_was_seen_a_timeout_ago() -> None:
    stopwatch, message = Stopwatch(), Running(1, 1, 0)
    assert stopwatch.overdue([message], now=10.0, timeout=5.0) == []
    assert stopwatch.overdue([message], now=14.9, timeout=5.0) == []
    assert stopwatch.overdue([message], now=15.0, timeout=5.0) == [message]


def test_a_second_run_of_a_message_has_its_own_time() -> None:
    stopwatch = Stopwatch()
    stopwatch.overdue([Running(1, 1, 0)], now=10.0, timeout=5.0)
    assert stopwatch.overdue([Running(2, 1, 0)], now=16.0, timeout=5.0) == []


def test_what_finished_is_forgotten() -> None:
    stopwatch, message = Stopwatch(), Running(1, 1, 0)
    stopwatch.overdue([message], now=10.0, timeout=5.0)
    stopwatch.overdue([], now=11.0, timeout=5.0)
    assert stopwatch.overdue([message], now=15.0, timeout=5.0) == []
