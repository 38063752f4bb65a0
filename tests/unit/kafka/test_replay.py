"""Which partitions a replay moves, and where to."""

import pytest

from kafkatrigger.api.moves import MOST_PARTITIONS, Wish
from kafkatrigger.kafka.replay import Log, ReplayRefusedError, Topic, chosen, target

TOPICS = {"a": Topic(frozenset({0, 1}), "00"), "b": Topic(frozenset({0}), "01")}
LOG = Log(3, 9)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(("a", "b"), "latest"), {("a", 0): None, ("a", 1): None, ("b", 0): None}),
        (Wish(("a", "b"), "latest", (("a", 1, 5),)), {("a", 0): None, ("a", 1): 5, ("b", 0): None}),
        (Wish(("a", "b"), "", (("a", 1, 5),)), {("a", 1): 5}),
    ],
)
def test_partitions(wish: Wish, expected: object) -> None:
    assert chosen(wish, TOPICS) == expected


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(("a",), "latest", (("a", 2, 5),)), "no partition 2 of a"),
        (Wish((), "latest"), "no partition to move"),
        (Wish(("big",), "earliest"), f"{MOST_PARTITIONS + 1} partitions"),
    ],
)
def test_what_cannot_be_moved(wish: Wish, words: str) -> None:
    big = {"big": Topic(frozenset(range(MOST_PARTITIONS + 1)), "02")}
    with pytest.raises(ReplayRefusedError, match=words):
        chosen(wish, {**TOPICS, **big})


@pytest.mark.parametrize(
    ("offset", "start", "log", "expected"),
    [
        (None, "earliest", LOG, 3),
        (None, "latest", LOG, 9),
        (None, "2026-01-01T00:00:00Z", Log(3, 9, 5), 5),
        (None, "2026-01-01T00:00:00Z", LOG, 9),
        (None, "0", Log(3, 9, 3), 3),
        (3, "latest", LOG, 3),
        (9, "", LOG, 9),
    ],
)
def test_where_to(offset: int | None, start: str, log: Log, expected: int) -> None:
    assert target(("a", 0), offset, start, log) == expected


@pytest.mark.parametrize("offset", [0, 2, 10])
def test_an_offset_outside_the_log(offset: int) -> None:
    with pytest.raises(ReplayRefusedError, match="goes from 3 to 9"):
        target(("a", 0), offset, "", LOG)
