"""Which messages of a batch are traced, and what is told of them."""

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.api.frames import Failed, NotRun, Outcome, Record, Results
from kafkatrigger.consumer.chunk import Chunk
from kafkatrigger.consumer.offsets import Origin, start
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.spans import LONGEST_MESSAGE, Span
from kafkatrigger.consumer.tracing import Tracing
from kafkatrigger.consumer.worker import Flight

SAMPLED = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
UNSAMPLED = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
FAILED = Failed("FunctionFailed", "ValueError", "x" * 2000, False)


class Sent:
    """Remembers what is to be exported."""

    dropped = 0

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def send(self, spans: list[Span]) -> None:
        self.spans += spans

    def look(self) -> None:
        pass

    def close(self) -> None:
        pass


def partition(number: int = 0) -> Partition:
    return Partition("t", number, 0, Origin("Committed"), start(0))


def record(source: int, offset: int, headers: list[tuple[str, bytes | None]] | None = None) -> Record:
    return (source, offset, 1_780_000_000_000 + offset, 1, b"k", b"v", headers)


def flight(tracing: Tracing, *records: Record) -> Flight:
    """A batch that was sent a second ago."""
    chunk = Chunk([partition()], list(records), 0)
    sent, executions = time.monotonic() - 1, tracing.executions(chunk)
    return Flight(1, chunk.partitions, [*records], 0, False, sent, False, len(records), executions)


@given(
    st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    st.lists(
        st.tuples(st.integers(0, 10**12), st.sets(st.integers(0, 400), min_size=1, max_size=60)), min_size=1, max_size=4
    ),
)
def test_a_batch_is_looked_at_as_its_messages_are(ratio: float, runs: list[tuple[int, set[int]]]) -> None:
    """As they were read, in runs of partitions, which a quick way is for; and one by one."""
    tracing = Tracing(ratio, "group", Sent())
    partitions = [partition(number) for number in range(len(runs))]
    records = [record(source, first + more) for source, (first, offsets) in enumerate(runs) for more in sorted(offsets)]
    quick = tracing.executions(Chunk(partitions, records, 0, plain=True))
    assert quick == tracing.executions(Chunk(partitions, records, 0, plain=False))
    assert list(quick) == sorted(quick)
    assert ratio < 1 or len(quick) == len(records)


def test_partitions_and_groups_are_told_apart() -> None:
    found = [
        Tracing(1.0, group, Sent()).execution(partition(number), record(0, 5))
        for group in ("a", "b")
        for number in (0, 1)
    ]
    assert len({each.span_id for each in found if each}) == 4


def test_a_context_decides_whatever_the_share_is() -> None:
    for ratio in (0.0, 1.0):
        tracing = Tracing(ratio, "group", Sent())
        assert tracing.execution(partition(), record(0, 5, [SAMPLED])) is not None
        assert tracing.execution(partition(), record(0, 5, [UNSAMPLED])) is None
        assert tracing.execution(partition(), record(0, 5, [("traceparent", b"no context")])) is None


@pytest.mark.parametrize(
    ("outcome", "result"), [(b"", "succeeded"), (None, "filtered"), (FAILED, "FunctionFailed"), (NotRun(), None)]
)
def test_what_is_told_of_an_attempt(outcome: Outcome, result: str | None) -> None:
    sent = Sent()
    tracing = Tracing(0.0, "group", sent)
    state = [("tracestate", b"a=1"), ("tracestate", b"b=2")]
    of = flight(tracing, record(0, 4), record(0, 5, [SAMPLED, *state]), record(0, 6))
    records: list[Record] = of.records  # type: ignore[assignment]
    positions = tracing.answered(of, records, Results(1, 0, [b"", outcome, b""], runs=[(1, 1000, 2000)]))
    assert positions == [1]
    assert [(span.offset, span.result, span.began, span.ended, span.state) for span in sent.spans] == [
        (5, result, 1000, 2000, b"a=1,b=2") for _ in range(result is not None)
    ]
    assert [len(span.error_message) for span in sent.spans if span.error_class] in ([], [LONGEST_MESSAGE])


def test_answers_that_come_in_parts_are_told_once() -> None:
    sent = Sent()
    tracing = Tracing(1.0, "group", sent)
    of = flight(tracing, *[record(0, offset) for offset in range(6)])
    records: list[Record] = list(of.records)  # type: ignore[arg-type]
    assert tracing.answered(of, records[:2], Results(1, 0, [b""] * 2)) == [0, 1]
    assert tracing.answered(of, [records[5], records[3]], Results(1, 5, [b""] * 2, [5, 3])) == [0, 1]
    assert tracing.answered(of, [records[2], records[4]], Results(1, 2, [b""] * 2, [2, 4])) == [0, 1]
    assert [span.offset for span in sent.spans] == [0, 1, 5, 3, 2, 4]


def test_where_nobody_says_when_it_ran_it_is_since_it_was_sent() -> None:
    """A runtime of an image that was built before."""
    sent = Sent()
    tracing = Tracing(1.0, "group", sent)
    of = flight(tracing, record(0, 5))
    tracing.answered(of, of.records, Results(1, 0, [b""]))  # type: ignore[arg-type]
    (span,) = sent.spans
    assert 0.9e9 < span.ended - span.began < 60e9
    assert abs(span.ended - time.time_ns()) < 60e9


def test_of_a_partition_that_was_given_up_its_next_owner_tells() -> None:
    sent = Sent()
    tracing = Tracing(1.0, "group", sent)
    of = flight(tracing, record(0, 5))
    of.partitions[0].revoked = True
    tracing.answered(of, of.records, Results(1, 0, [b""]))  # type: ignore[arg-type]
    assert sent.spans == []


def test_without_tracing_nothing_of_opentelemetry_is_loaded() -> None:
    look = "import sys, kafkatrigger.consumer.process; print([name for name in sys.modules if 'opentelemetry' in name])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
