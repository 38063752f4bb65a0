"""`source.filter`: what it sees of a message, and what is said when it cannot tell."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger import Message
from kafkatrigger.runtime.decode import headers_by_name
from kafkatrigger.runtime.errors import FilterFailed
from kafkatrigger.runtime.filter import ARENA_USES, compile_filter, used_fields
from kafkatrigger.runtime.loading import LoadError


def accepts(expression: str, message: Message) -> bool:
    return compile_filter(expression)(message)


@pytest.mark.parametrize(
    ("expression", "value", "verdict"),
    [
        ("value.temperature > 80", {"temperature": 81}, True),
        ("value.temperature > 80", {"temperature": 79.5}, False),
        ("value['temperature'] > 80", {"temperature": 81}, True),
        ("value . temperature > 80", {"temperature": 81}, True),
        ("value.a.b == 'x' && value.a.c[0] == 1", {"a": {"b": "x", "c": [1]}}, True),
        ("has(value.a) && value.a > 1", {"b": 1}, False),
        ("'value.x' == value.y", {"y": "value.x"}, True),
        ("value.exists(name, name == 'a')", {"a": 1}, True),
        ("value.readings.all(value, value > 1)", {"readings": [2, 3]}, True),
        ("size(value) == 2 && value.a == 1", {"a": 1, "b": 2}, True),
        ("value.a == 1 // && value.b", {"a": 1}, True),
        ("r'\\d' == value.a && value.b", {"a": "\\d", "b": True}, True),
        ("'''a'b''' == value.a && value.b", {"a": "a'b", "b": True}, True),
        ("value == null", None, True),
        ("value == null || value.a == 1", {"a": 1}, True),
        ("value[0] == 'a'", ["a"], True),
        ("value == 'text'", "text", True),
        ("value == b'\\xff'", b"\xff", True),
        ("true", object(), True),
    ],
)
def test_values(expression: str, value: Any, verdict: bool) -> None:
    assert accepts(expression, Message(value)) is verdict


@pytest.mark.parametrize(
    "expression",
    [
        "key == 'k'",
        "topic == 't' && partition == 1 && offset == 2",
        "timestamp == timestamp('2026-06-01T12:00:00.123Z')",
        "headers['kind'] == 'reading'",
        "headers['raw'] == b'\\xff'",
        "headers['none'] == null && !('absent' in headers)",
    ],
)
def test_all_else_of_a_message(expression: str) -> None:
    headers = [("kind", b"other"), ("kind", b"reading"), ("raw", b"\xff"), ("none", None)]
    message = Message({}, "k", headers, "t", 1, 2, 1_780_315_200_123)
    assert accepts(expression, message)
    assert not accepts(f"!({expression})", message)


@pytest.mark.parametrize(
    ("expression", "value", "sentence"),
    [
        ("value.temperature > 80", {}, "the filter yields no boolean but: NOT_FOUND"),
        ("value.temperature > 80", {"temperature": "hot"}, "the filter yields no boolean but: UNKNOWN: No matching"),
        ("value.temperature > 80", None, "the filter yields no boolean but: "),
        ("value.big > 1", {"big": 1 << 70}, "the filter yields no boolean but: "),
        ("value", 1, "the filter yields 1, which is neither true nor false"),
        ("value.text", {"text": "true"}, "the filter yields no boolean but: true"),
        ("value.all(a, value.all(b, value.all(c, true)))", list(range(200)), "the filter cannot be evaluated: "),
    ],
)
def test_one_that_cannot_tell_is_a_failure(expression: str, value: Any, sentence: str) -> None:
    with pytest.raises(FilterFailed) as caught:
        accepts(expression, Message(value))
    assert str(caught.value).startswith(sentence)


def test_a_timestamp_that_no_calendar_has_is_a_failure() -> None:
    with pytest.raises(FilterFailed, match="the filter cannot be evaluated"):
        accepts("timestamp > timestamp('2026-06-01T00:00:00Z')", Message(1, timestamp=1 << 62))


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("value.temperature >", "spec.source.filter is not valid CEL: "),
        ("vaule.temperature > 80", "undeclared reference to 'vaule.temperature'"),
        ("topic > 1", "found no matching overload"),
        ("(" * 500 + "true" + ")" * 500, "recursion limit"),
        ("offset + 1", "spec.source.filter yields INT, not true or false: make it a condition"),
    ],
)
def test_one_that_is_no_condition_is_not_loaded(expression: str, sentence: str) -> None:
    with pytest.raises(LoadError) as caught:
        compile_filter(expression)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("spec.source.filter ")


def test_it_goes_on_and_on() -> None:
    condition = compile_filter("value.a == 'x'")
    assert [condition(Message({"a": text})) for text in "xy" * ARENA_USES * 2] == [True, False] * ARENA_USES * 2


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("value.a > 1 && value.b.c", ["a", "b"]),
        ("value['a']", None),
        ("value.size() > 1", None),
        ("value.a == 1 && value", None),
        ("key.value.a", []),
        ("my_value.a", []),
        ("true", []),
    ],
)
def test_fields_are_known_only_where_nothing_else_is_used(code: str, fields: list[str] | None) -> None:
    assert used_fields(code) == fields


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(-3, 3)))
def test_the_fields_alone_say_the_same_as_the_whole(value: dict[str, int]) -> None:
    condition = "(has(value.a) && value.a > 0) || (has(value.b) && value.b < 0)"
    assert accepts(condition, Message(value)) == accepts(f"size(value) >= 0 && ({condition})", Message(value))


def test_headers_by_name() -> None:
    assert headers_by_name([("a", b"1"), ("b", b"\xff"), ("a", None)]) == {"a": None, "b": b"\xff"}
