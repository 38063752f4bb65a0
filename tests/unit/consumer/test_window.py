"""How much work a worker is given ahead."""

import pytest

from kafkatrigger.consumer.worker import FIRST_WINDOW, WINDOW_SECONDS, Worker

LARGEST = 5000


def test_answers_that_are_read_late_and_all_at_once_are_no_sign_of_speed() -> None:
    """Each message took 20 ms, and had a frame of its own; the consumer came to read fifty of them together."""
    worker = Worker()
    now = 100.0
    for _ in range(10):
        sent, now = now, now + 1.0
        for number in range(50):
            worker.learn(1, sent, now + number * 1e-5, LARGEST)
    assert worker.seconds_each == pytest.approx(0.02, rel=0.1)
    assert worker.window == pytest.approx(WINDOW_SECONDS / 0.02, rel=0.1)


@pytest.mark.parametrize("seconds_each", [0.00001, 0.001, 0.02, 0.1])
def test_a_window_holds_the_work_of_its_time(seconds_each: float) -> None:
    worker = Worker()
    now = 100.0
    for _ in range(200):
        sent, now = now, now + 10 * seconds_each
        worker.learn(10, sent, now, LARGEST)
    assert worker.window == pytest.approx(min(LARGEST, WINDOW_SECONDS / seconds_each), rel=0.5, abs=1)


def test_a_worker_that_becomes_slow_is_given_less() -> None:
    worker = Worker()
    now = 100.0
    for each in [0.001] * 100 + [0.1] * 20:
        sent, now = now, now + each
        worker.learn(1, sent, now, LARGEST)
    assert worker.window < FIRST_WINDOW / 8
