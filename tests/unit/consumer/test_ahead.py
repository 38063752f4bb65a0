"""Reading ahead: partitions take turns, and nothing is lost, changed in order or kept for an assignment that ended."""

from collections import defaultdict
from collections.abc import Container

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.consumer import ahead
from kafkatrigger.consumer.ahead import TURN, Ahead
from kafkatrigger.consumer.runs import Place, runs


class Read(msgspec.Struct):
    """As the client hands it on."""

    number: int
    place: int = 0
    content: bytes = b""
    topic_name: str | None = "t"

    def __len__(self) -> int:
        return len(self.content)

    def topic(self) -> str | None:
        return self.topic_name

    def partition(self) -> int:
        return self.place

    def error(self) -> object:
        return None if self.topic_name else "a report"

    def key(self) -> bytes | None:
        return None

    def headers(self) -> list[tuple[str, bytes]] | None:
        return [("h", b"12")] if self.content else None


ALL = {("t", place) for place in range(8)}


def _taken(held: Ahead, most: int, without: Container[Place] = ()) -> list[Read]:
    """What is handed on, one by one."""
    return [each for run in held.take(most, without) for each in (run if isinstance(run, list) else [run])]


def _put(held: Ahead, reads: list[Read], assigned: Container[Place] = ALL) -> None:
    held.put(runs(reads), assigned)


def _reads(place: int, count: int, content: bytes = b"") -> list[Read]:
    return [Read(number, place, content) for number in range(count)]


def test_partitions_take_turns() -> None:
    held = Ahead(1 << 20)
    _put(held, [*_reads(0, 200), *_reads(1, 200)])
    taken = _taken(held, 4 * TURN)
    assert [each.place for each in taken] == [0] * TURN + [1] * TURN + [0] * TURN + [1] * TURN


def test_the_turn_goes_on_where_the_last_take_ended() -> None:
    held = Ahead(1 << 20)
    _put(held, [*_reads(0, 200), *_reads(1, 200)])
    assert {each.place for each in _taken(held, TURN)} == {0}
    assert {each.place for each in _taken(held, TURN)} == {1}


def test_what_must_not_be_taken_stays() -> None:
    held = Ahead(1 << 20)
    _put(held, [*_reads(0, 3), *_reads(1, 3)])
    assert [each.place for each in _taken(held, 10, {("t", 0)})] == [1, 1, 1]
    assert [each.number for each in _taken(held, 10)] == [0, 1, 2]


def test_a_partition_that_was_given_up_meanwhile_is_left_out() -> None:
    """It may come back, at an earlier offset: what was read before must not be taken for what comes then."""
    held = Ahead(1 << 20)
    _put(held, [*_reads(0, 3), *_reads(1, 3)], {("t", 1)})
    assert [each.place for each in _taken(held, 10)] == [1, 1, 1]


def test_a_report_of_no_partition_passes() -> None:
    held = Ahead(1 << 20)
    _put(held, [Read(0, -1, topic_name=None)])
    assert len(_taken(held, 10)) == 1


def test_what_is_dropped_is_forgotten() -> None:
    held = Ahead(1 << 20)
    _put(held, [*_reads(0, 3), *_reads(1, 3)])
    held.drop(("t", 0))
    held.drop(("t", 5))
    assert [each.place for each in _taken(held, 10)] == [1, 1, 1]
    assert not held


def test_bytes_and_messages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Ahead(100)
    _put(held, _reads(0, 1, b"x" * 96))
    assert not held.is_full  # 96 and a header of 3
    _put(held, _reads(0, 1, b"x"))
    assert held.is_full
    held.take(1)
    assert not held.is_full
    held.drop(("t", 0))
    monkeypatch.setattr(ahead, "MOST", 10)
    _put(held, _reads(1, 9))
    assert not held.is_full
    _put(held, _reads(2, 1))
    assert held.is_full


@given(st.lists(st.one_of(st.lists(st.integers(0, 3), max_size=200), st.integers(0, 300))))
def test_each_partition_keeps_its_order(steps: list[list[int] | int]) -> None:
    held = Ahead(1 << 30)
    put, taken = defaultdict(list), defaultdict(list)
    for step in steps:
        if isinstance(step, list):
            reads = [Read(number, place) for number, place in enumerate(step)]
            _put(held, reads)
            for each in reads:
                put[each.place].append(each)
        else:
            got = _taken(held, step)
            assert len(got) < step + TURN
            for each in got:
                taken[each.place].append(each)
    assert len(held) == sum(map(len, put.values())) - sum(map(len, taken.values()))
    for each in _taken(held, 1 << 30):
        taken[each.place].append(each)
    assert {place: reads for place, reads in put.items() if reads} == dict(taken)
    assert not held
