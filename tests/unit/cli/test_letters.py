"""Dead letters and their copies, as headers."""

import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.api.dead_letters import Letter
from kafkatrigger.consumer import dead_letter
from kafkatrigger.kafka import copies
from kafkatrigger.kafka.copies import batches
from kafkatrigger.kafka.letters import Headers, copied_headers, in_source_order, letter, mark, marked
from kafkatrigger.kafka.reading import segments
from kafkatrigger.kafka.redrive import until

OWN: Headers = [("own", b"1"), ("kafkatrigger.source.topic", b"of another trigger")]


class Record:
    """A record as the client gives it."""

    def __init__(self, headers: Headers, key: bytes | None = b"k", offset: int = 5) -> None:
        self._headers, self._key, self._offset = headers, key, offset

    def headers(self) -> Headers:
        return self._headers

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes:
        return b"value"

    def topic(self) -> str:
        return "g.dlq"

    def partition(self) -> int:
        return 1

    def offset(self) -> int:
        return self._offset


def written(headers: Headers, topic: str = "orders", offset: int = 7) -> Headers:
    """The headers that a consumer writes."""
    record: Any = (0, offset, 99, 3, None, None, headers)
    partition: Any = SimpleNamespace(topic=topic, number=2)
    return [*dead_letter.headers(partition, record, "FunctionFailed", "ValueError", "no")]


def read(headers: Headers, **more: Any) -> Letter:
    record: Any = Record(headers, **more)
    found = letter(record, "g.redrive")
    assert found is not None
    return found


def test_what_the_consumer_writes_is_read() -> None:
    found = read(written(OWN))
    assert (found.id, found.source_id, found.timestamp, found.attempts) == ("g.dlq-1-5", "orders-2-7", 99, 3)
    assert (found.reason, found.error_class, found.message, found.omitted) == (
        "FunctionFailed",
        "ValueError",
        "no",
        None,
    )
    assert read([*written(OWN), ("kafkatrigger.value.omitted", b"12")]).omitted == 12


@pytest.mark.parametrize(
    "headers",
    [
        [],
        OWN,
        [("kafkatrigger.error.reason", b"x")],
        [("kafkatrigger.error.reason", None), ("kafkatrigger.source.topic", b"t")],
    ],
)
def test_what_others_wrote_is_none(headers: Headers) -> None:
    record: Any = Record(headers)
    assert letter(record, "g.redrive") is None


def test_a_copy_has_the_message_s_headers_and_a_mark() -> None:
    found = read(written(OWN))
    copy = copied_headers(written(OWN), found, "r1")
    assert copy[: len(OWN)] == OWN
    assert not [name for name, _ in copy if name.startswith("kafkatrigger.error") or name == "kafkatrigger.attempts"]
    assert mark(copy) == (("g.dlq-1-5", "orders-2-7"), "r1")
    assert mark(OWN) is None


@pytest.mark.parametrize("topic", ["g.redrive", "orders"], ids=["of-the-copy", "of-the-message"])
def test_a_copy_of_what_failed_again_is_as_the_first(topic: str) -> None:
    """Whether the second dead letter names the copy or the message as its source."""
    first = copied_headers(written(OWN), read(written(OWN)), "r1")
    again = written(first, topic, offset=7)
    found = read(again, offset=6)
    assert found.source_id == "orders-2-7"
    second = copied_headers(again, found, "r2")
    assert [name for name, _ in second] == [name for name, _ in first]
    assert mark(second) == (("g.dlq-1-6", "orders-2-7"), "r2")


def test_the_redrive_of_another_trigger_is_the_message_s_own() -> None:
    """Its responses carry the headers of their messages, and they are our source."""
    theirs = marked([], read(written([], "theirs", 3)), "r0")
    copy = copied_headers(written(theirs), read(written(theirs)), "r1")
    assert copy[: len(theirs)] == theirs


def letter_at(offset: int, source_partition: int, source_offset: int, size: int = 1) -> Letter:
    return Letter("g.dlq", 0, offset, "orders", source_partition, source_offset, 0, b"k", "", "", "", 1, size)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), max_size=40))
def test_order_is_that_of_the_source(sources: list[tuple[int, int]]) -> None:
    letters = [letter_at(offset, *source) for offset, source in enumerate(sources)]
    ordered = in_source_order(letters)
    assert sorted(each.offset for each in ordered) == list(range(len(letters)))
    for partition in range(4):
        offsets = [each.source_offset for each in ordered if each.source_partition == partition]
        assert offsets == sorted(offsets)


def test_what_is_in_order_stays_where_it_is() -> None:
    letters = [letter_at(offset, offset % 3, offset) for offset in range(30)]
    assert in_source_order(letters) == letters


@given(st.sets(st.integers(0, 300)), st.integers(0, 20))
def test_segments_hold_all_and_little_more(offsets: set[int], gap: int) -> None:
    found = segments(offsets, gap)
    assert offsets <= {each for start, end in found for each in range(start, end)}
    assert all({start, end - 1} <= offsets for start, end in found)
    assert all(after[0] - before[1] > gap for before, after in pairwise(found))


def test_batches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "BATCH", 3)
    monkeypatch.setattr(copies, "BATCH_BYTES", 10)
    sizes = [1, 1, 1, 1, 9, 2, 50, 1]
    found = [
        [each.size for each in batch] for batch in batches(letter_at(n, 0, n, size) for n, size in enumerate(sizes))
    ]
    assert found == [[1, 1, 1], [1, 9], [2], [50], [1]]


def test_ends_bound_what_is_meant() -> None:
    assert until({0: (1, 9), 1: (0, 5)}, None) == {0: (1, 9), 1: (0, 5)}
    assert until({0: (1, 9), 1: (0, 5), 2: (0, 3)}, {0: 4, 1: 7}) == {0: (1, 4), 1: (0, 5), 2: (0, 0)}


@pytest.mark.parametrize(
    "module", ["kafkatrigger.kafka.dead_letters", "kafkatrigger.kafka.replay", "kafkatrigger.consumer.control"]
)
def test_what_runs_in_the_consumer_s_container_needs_nothing_more(module: str) -> None:
    """Its image has no pydantic, click or kubernetes."""
    code = f"import sys, {module}; print({{'pydantic', 'click', 'kubernetes', 'yaml'}} & sys.modules.keys())"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": "operator"}
    ).stdout
    assert output.strip() == "set()"
