"""The one line that says where a trigger stopped."""

import pytest

from kafkatrigger.api.stop import StopPoint, parse

POINT = StopPoint("plant-7.machine_data", 3, 1234, 1715764260123, "ValueError")


def test_the_text_says_it_all() -> None:
    assert POINT.text() == "plant-7.machine_data/3/1234/1715764260123 ValueError"
    assert parse(POINT.text()) == POINT


def test_a_stop_that_comes_back_is_another_one() -> None:
    assert POINT._replace(stopped_at=1715764260124).text() != POINT.text()


def test_an_unknown_class_is_left_empty() -> None:
    point = POINT._replace(error_class="")
    assert parse(point.text()) == point


@pytest.mark.parametrize("text", ["", "yes", "t/1/2 ValueError", "t/one/2/3 ValueError", "a/t/1/2/3 ValueError"])
def test_what_is_no_stop(text: str) -> None:
    with pytest.raises(ValueError, match=r"values to unpack|invalid literal"):
        parse(text)
