"""What a trace context says, and what follows from it for an execution."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.api.frames import Headers
from kafkatrigger.consumer.trace_context import PARENT, Execution, Sampler, execution, parent_of, sampled_parent

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
GOOD = b"00-%s-%s-01" % (TRACE, SPAN)
HEX = "0123456789abcdef"


def of(header: bytes | None = None, **other: object) -> Execution | None:
    """The execution of a message, of which something may differ."""
    message = {"seed": b"g", "offset": 42, "timestamp": 1_780_000_000_000, "attempt": 1, "header": header, **other}
    return execution(**message)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (GOOD, (TRACE, SPAN, 1)),
        (GOOD[:-2] + b"03", (TRACE, SPAN, 3)),
        (GOOD[:-2] + b"00", None),
        (GOOD[:-2] + b"02", None),
        (b"01" + GOOD[2:], (TRACE, SPAN, 1)),
        (b"cc" + GOOD[2:] + b"-what-will-be", (TRACE, SPAN, 1)),
        (b"cc" + GOOD[2:] + b"what-will-be", None),
        (GOOD + b"-more", None),
        (b"ff" + GOOD[2:], None),
        (b"00-%s-%s-01" % (b"0" * 32, SPAN), None),
        (b"00-%s-%s-01" % (TRACE, b"0" * 16), None),
        (GOOD.upper(), None),
        (GOOD + b"\n", None),
        (b" " + GOOD, None),
        (b"", None),
    ],
)
def test_what_says_that_a_trace_is_recorded(header: bytes, found: tuple[bytes, bytes, int] | None) -> None:
    """By https://www.w3.org/TR/trace-context/#traceparent-header."""
    assert sampled_parent(header) == found


@given(st.binary(max_size=80) | st.text(HEX + "-", min_size=50, max_size=60).map(str.encode))
def test_whatever_is_no_context_is_no_execution(header: bytes) -> None:
    is_context = re.fullmatch(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", header, re.DOTALL)
    assert of(header) is None or is_context


def test_the_last_of_several_contexts_counts() -> None:
    assert parent_of([(PARENT, b"1"), ("own", b"2"), (PARENT, b"3"), ("more", None)]) == b"3"
    assert parent_of([(PARENT, None)]) == b""
    assert parent_of([("own", b"2"), ("Traceparent", b"1")]) is None


@given(st.integers(0, 2**62), st.integers(-1, 2**41), st.integers(1, 1000), st.sampled_from([None, GOOD]))
def test_what_is_told_of_an_execution_is_a_context(
    offset: int, timestamp: int, attempt: int, header: bytes | None
) -> None:
    found = of(header, offset=offset, timestamp=timestamp, attempt=attempt)
    assert found is not None
    assert sampled_parent(found.header) == (found.trace_id, found.span_id, 1)
    assert found == of(header, offset=offset, timestamp=timestamp, attempt=attempt), "whoever asks, and whenever"


def test_an_execution_is_a_child_of_the_message() -> None:
    found = of(GOOD)
    assert found is not None
    assert (found.trace_id, found.parent_id, found.is_linked) == (TRACE, SPAN, True)


def test_executions_of_whatever_differs_differ() -> None:
    others = [of(), of(seed=b"h"), of(offset=43), of(timestamp=7), of(attempt=2), of(attempt=3)]
    assert len({other.span_id for other in others if other}) == len(others)
    assert [other and other.trace_id == others[0].trace_id for other in others if others[0]] == [
        *(True, False, False, False, True, True)
    ]


def test_a_trace_that_begins_here_has_one_root() -> None:
    first, second, third = of(), of(attempt=2), of(attempt=3)
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.parent_id, first.is_linked) == (b"", False)
    assert second.parent_id == third.parent_id == first.span_id


def test_flags_that_nobody_knows_yet_are_not_passed_on() -> None:
    found = of(GOOD[:-2] + b"ff")
    assert found is not None
    assert found.header.endswith(b"-03")


def test_the_context_of_an_execution_takes_the_place_of_the_message_s() -> None:
    found = of(GOOD)
    assert found is not None
    headers: Headers = [("own", b"1"), (PARENT, b"no context"), ("tracestate", b"a=b"), (PARENT, GOOD)]
    assert found.continued(headers) == [(PARENT, found.header), ("own", b"1"), ("tracestate", b"a=b")]


@pytest.mark.parametrize("ratio", [1.0, 0.7, 0.3, 0.01, 0.001])
def test_the_share_is_what_was_asked_for(ratio: float) -> None:
    assert len(list(Sampler(ratio).chosen(b"g", 0, 99_999))) == round(100_000 * ratio)


def test_the_smallest_share_is_some() -> None:
    assert len(list(Sampler(1e-9).chosen(b"g", 0, 10**7 - 1))) == 10


@given(st.floats(0.001, 1), st.integers(0, 2**62), st.integers(0, 300), st.binary(max_size=4))
def test_a_message_is_chosen_whatever_is_read_with_it(ratio: float, first: int, count: int, seed: bytes) -> None:
    sampler = Sampler(ratio)
    alone = [offset for offset in range(first, first + count) if sampler.is_chosen(seed, offset)]
    assert list(sampler.chosen(seed, first, first + count - 1)) == alone


def test_no_rhythm_of_the_messages_meets_one_of_the_choice() -> None:
    chosen = list(Sampler(0.01).chosen(b"g", 0, 999_999))
    by_sensor = [sum(offset % 100 == sensor for offset in chosen) for sensor in range(100)]
    assert len(chosen) == 10_000
    assert 50 < min(by_sensor) <= max(by_sensor) < 160
