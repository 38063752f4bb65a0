"""How messages are shared out among calls, and how a function says that it takes several."""

from collections.abc import Hashable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger import Message, batch
from kafkatrigger.runtime.batches import calls
from kafkatrigger.runtime.function import Batching, batching_of


def test_first_all_foremost_messages_then_all_second_ones() -> None:
    assert calls(["a", "a", "b", None, "a", None], 10) == [[0, 2, 3, 5], [1], [4]]


def test_a_call_is_no_larger_than_its_size() -> None:
    assert calls([None] * 5, 2) == [[0, 1], [2, 3], [4]]
    assert calls([], 2) == []


@given(st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=60), st.integers(1, 10))
def test_each_message_is_in_one_call_and_lanes_are_in_order(lanes: list[Hashable | None], size: int) -> None:
    made = calls(lanes, size)
    assert sorted(index for call in made for index in call) == list(range(len(lanes)))
    assert all(0 < len(call) <= size for call in made)
    for lane in set(lanes) - {None}:
        in_calls = [[index for index in call if lanes[index] == lane] for call in made]
        assert all(len(each) <= 1 for each in in_calls)
        order = [index for each in in_calls for index in each]
        assert order == sorted(order)


def test_a_marked_function_is_called_as_ever() -> None:
    @batch(size=10, same_key=True)
    def sizes(messages: list[Message]) -> list[int]:
        return [len(messages)] * len(messages)

    assert batching_of(sizes) == Batching(10, same_key=True)
    assert sizes([Message(1), Message(2)]) == [2, 2]
    assert batching_of(partial(sizes)) == Batching(10, same_key=True)
    assert batching_of(print) is None


@pytest.mark.parametrize("size", [0, 1001])
def test_the_size_is_bounded(size: int) -> None:
    with pytest.raises(ValueError, match=f"batch\\(size={size}\\): the size of a batch is between 1 and 1000"):
        batch(size=size)
