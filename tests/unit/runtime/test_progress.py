"""The table that says what runs, and the stopwatch beside it."""

from kafkatrigger.runtime.progress import Progress, Running, Stopwatch, create_table


def two_sides() -> tuple[Progress, Progress]:
    """The table as worker and supervisor see it."""
    descriptor = create_table()
    return Progress(descriptor), Progress(descriptor)


def test_nothing_runs_at_first() -> None:
    _, supervisor = two_sides()
    assert supervisor.running() == []
    assert not supervisor.has_begun


def test_a_start_is_seen_with_batch_and_index() -> None:
    worker, supervisor = two_sides()
    base = worker.begin(batch=7, size=3)
    assert supervisor.running() == []
    assert supervisor.has_begun
    worker.words[0] = base + 2
    assert supervisor.running() == [Running(base + 2, 7, 2)]
    worker.clear()
    assert supervisor.running() == []


def test_numbers_never_repeat() -> None:
    worker, _ = two_sides()
    first = worker.begin(batch=1, size=3)
    assert worker.begin(batch=1, size=3) == first + 3


def test_slots_are_apart() -> None:
    worker, supervisor = two_sides()
    one, two = worker.begin(1, 10), worker.begin(2, 10, slot=5)
    worker.words[0], worker.words[5] = one, two + 1
    assert [(each.batch, each.index) for each in supervisor.running()] == [(1, 0), (2, 1)]


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
