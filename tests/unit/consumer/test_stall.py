"""What is a stall, and what only looks like one."""

from kafkatrigger.consumer.histogram import BOUNDS, Histogram
from kafkatrigger.consumer.offsets import Origin, start
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.stall import STALL_SECONDS, Flow, Reading, Stall

TIMEOUT = 30.0


def test_something_waits_and_nothing_happens() -> None:
    stall = Stall(TIMEOUT)
    assert not stall.look(0.0, "a", waits=True, runs=False)
    assert not stall.look(STALL_SECONDS - 0.1, "a", waits=True, runs=False)
    assert stall.look(STALL_SECONDS, "a", waits=True, runs=False)
    assert not stall.look(STALL_SECONDS + 1, "b", waits=True, runs=False)


def test_slow_work_inside_its_timeout_is_none() -> None:
    stall = Stall(TIMEOUT)
    stall.look(0.0, "a", waits=True, runs=True)
    assert not stall.look(STALL_SECONDS + TIMEOUT - 0.1, "a", waits=True, runs=True)
    assert stall.look(STALL_SECONDS + TIMEOUT, "a", waits=True, runs=True)


def test_nothing_to_do_is_none() -> None:
    stall = Stall(TIMEOUT)
    for now in range(0, 1000, 10):
        assert not stall.look(float(now), "a", waits=False, runs=False)
    assert not stall.look(1001.0, "a", waits=True, runs=False)


def test_a_histogram_takes_many_at_once() -> None:
    histogram = Histogram()
    histogram.observe(0.001, 10)
    histogram.observe(0.0011, 5)
    histogram.observe(1e6)
    found = dict(histogram.cumulative())
    assert (found["0.0005"], found["0.001"], found["0.0025"], found["3600.0"], found["+Inf"]) == (0, 10, 15, 15, 16)
    assert len(found) == len(BOUNDS) + 1
    assert round(histogram.sum - 1e6, 6) == 0.0155


def test_answers_that_nobody_acknowledges_are_a_stall_while_functions_run_on() -> None:
    flow = Flow(TIMEOUT)
    for now in range(15):
        assert not flow.look(float(now), 7, progress=now, waits=True, runs=True, answered=True)
    for now in range(15, 60):
        assert flow.look(float(now), 7, progress=now, waits=True, runs=now % 2 == 0, answered=True)
    assert not flow.look(60.0, 8, progress=60, waits=True, runs=True, answered=True)


def test_answers_that_come_slowly_are_no_stall() -> None:
    flow = Flow(TIMEOUT)
    for now in range(100):
        answered = now % 25 == 24
        assert not flow.look(float(now), now // 25, progress=0, waits=True, runs=True, answered=answered)


STUCK, FLOWING = (Partition("t", number, 0, Origin("Committed"), start(0)) for number in range(2))


def test_one_partition_that_is_not_read_is_named_while_another_flows() -> None:
    reading = Reading()
    for now in range(100, 115):
        assert reading.look(float(now), {STUCK: 7, FLOWING: now}, has_room=True) == []
    assert reading.look(115.0, {STUCK: 7, FLOWING: 115}, has_room=True) == [STUCK]
    assert reading.look(116.0, {STUCK: 8, FLOWING: 115}, has_room=True) == []


def test_that_all_of_a_partition_is_read_begins_it_anew() -> None:
    reading = Reading()
    reading.look(0.0, {STUCK: 7}, has_room=True)
    reading.look(14.0, {}, has_room=True)
    assert reading.look(16.0, {STUCK: 7}, has_room=True) == []
    assert reading.look(30.0, {STUCK: 7}, has_room=True) == []
    assert reading.look(31.0, {STUCK: 7}, has_room=True) == [STUCK]


def test_while_there_is_no_room_nothing_has_to_be_read() -> None:
    reading = Reading()
    for now in range(100):
        assert reading.look(float(now), {STUCK: 7}, has_room=now % 10 == 0) == []
    assert reading.look(100.0, {STUCK: 7}, has_room=True) == []
    assert reading.look(105.0, {STUCK: 7}, has_room=True) == [STUCK]
