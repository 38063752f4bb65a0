"""The history checker sees what it is there for."""

from tests.support import history, runs
from tests.support.history import Answer, Kill
from tests.support.runs import Run


def _answers(*numbers: int, key: bytes = b"k") -> list[Answer]:
    return [Answer(key, number, (0, number), (0, index)) for index, number in enumerate(numbers)]


def test_a_message_without_an_answer_is_lost() -> None:
    assert history.lost(range(4), _answers(0, 1, 3)) == [2]
    assert history.lost(range(4), _answers(3, 2, 1, 0)) == []


def test_an_answer_to_nothing_is_invented() -> None:
    assert history.invented(range(2), _answers(0, 1, 2)) == [2]
    assert history.invented(range(3), _answers(0, 1, 2)) == []


def test_repetitions_are_counted_for_each_message() -> None:
    assert history.repeated(_answers(0, 1, 1, 0, 1)) == {0: 1, 1: 2}


def test_a_kill_explains_one_repetition_of_what_was_answered_before_and_not_committed() -> None:
    kill = Kill({0: 3}, lambda _, source: source[1] >= 1)
    answers = _answers(0, 1, 2, 3, 0, 1, 2, 3)
    # 0 was committed, 3 was answered after the kill.
    assert history.unexplained(answers, [kill]) == {0: 1, 3: 1}
    assert history.unexplained(_answers(0, 1, 1, 1), [kill]) == {1: 1}
    assert history.unexplained(_answers(0, 1, 1, 1), [kill, kill]) == {}
    assert history.unexplained(answers, []) == {0: 1, 1: 1, 2: 1, 3: 1}


def test_a_kill_says_nothing_of_partitions_that_were_empty() -> None:
    assert history.unexplained(_answers(0, 0), [Kill({}, lambda *_: True)]) == {0: 1}


def test_order_is_that_of_the_first_answers_of_a_key() -> None:
    assert history.out_of_order(_answers(0, 1, 2, 0, 1, 2, 3)) == {}
    assert history.out_of_order(_answers(0, 2, 1)) == {b"k": [0, 2, 1]}
    assert history.out_of_order([*_answers(5, key=b"a"), *_answers(1, key=b"b")]) == {}


def _run(number: int, begin: float, end: float, process: int = 1) -> Run:
    return Run(("t", 0, number), number, 1, process, begin, end)


def test_runs_of_one_lane_at_the_same_time_are_seen() -> None:
    lane: dict[int, object] = {0: "a", 1: "a", 2: "b"}
    side_by_side = [_run(0, 0, 2), _run(2, 0.5, 3)]
    assert runs.overlaps(side_by_side, lane) == []
    within = _run(1, 1, 3, process=2)
    assert runs.overlaps([side_by_side[0], within], lane) == [(side_by_side[0], within)]


def test_most_at_once_counts_what_ends_before_the_next_begins_as_one() -> None:
    assert runs.most_at_once([_run(0, 0, 1), _run(1, 1, 2)]) == 1
    assert runs.most_at_once([_run(0, 0, 2), _run(1, 1, 3), _run(2, 1.5, 4)]) == 3
