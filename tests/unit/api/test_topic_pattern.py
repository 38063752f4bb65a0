"""Patterns for topics, against Python's own regular expressions."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.api.topic_pattern import is_pattern, matching

ATOMS = st.sampled_from(["a", "b", ".", r"\.", "[ab]", "[^a]", "[a-c]", "-"])
SIMPLE = st.builds(str.__add__, ATOMS, st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "{2,}", "{0,3}"]))


def _larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    groups = st.builds(lambda part, end: f"({part}){end}", parts, st.sampled_from(["", "*", "+", "?"]))
    return st.one_of(
        st.lists(parts, min_size=1, max_size=3).map("".join), st.builds("{}|{}".format, parts, parts), groups
    )


PATTERNS = st.recursive(SIMPLE, _larger, max_leaves=8)


@given(PATTERNS, st.lists(st.text("abc.-_", max_size=8), max_size=20))
def test_the_same_as_a_regular_expression(pattern: str, names: list[str]) -> None:
    assert is_pattern(pattern)
    wanted = [name for name in names if re.fullmatch(pattern, name) and not name.startswith("__")]
    assert matching(pattern, names) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "^a", "a$", "(?:a)", "(?i)a", "a**", "a*?", "a++", "*", "a|*", r"\d", r"\w", "a{3,1}", "[z-a]", "(a", "a)",
     "(a){2}", "a b", "a{", "a{100}", "[[:alpha:]]", "a\n"],
)  # fmt: skip
def test_what_would_not_mean_the_same_everywhere_is_refused(text: str) -> None:
    assert not is_pattern(text)


def test_internal_topics_are_left_out() -> None:
    assert matching(".*", ["__consumer_offsets", "_schemas", "orders"]) == ["_schemas", "orders"]


def test_no_pattern_takes_long() -> None:
    """Of what goes back, each of these takes longer than there is time."""
    begin = time.monotonic()
    for pattern in ("(a+)+b", "(a*)*b", "((a|a)*)*b", ".*" * 100 + "b", "(((((a*)*)*)*)*)*b"):
        assert matching(pattern, ["a" * 249]) == []
    assert time.monotonic() - begin < 10
