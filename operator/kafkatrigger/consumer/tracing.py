"""Which attempts are traced, and what is told of them when they end.

Nothing is remembered of a message: what its attempt is called follows from the message, so whoever needs to know asks
again. Of messages that are not traced no more is asked than what their headers say.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Protocol

from kafkatrigger.api.frames import Failed, Headers, NotRun, Outcome, Record, Results
from kafkatrigger.consumer.chunk import Chunk
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.spans import LONGEST_MESSAGE, LONGEST_NAME, LONGEST_STATE, Span
from kafkatrigger.consumer.trace_context import STATE, Execution, Sampler, execution, parent_of
from kafkatrigger.consumer.worker import Flight

_source, _offset = itemgetter(0), itemgetter(1)


class Sender(Protocol):
    """Takes spans, and never waits."""

    @property
    def dropped(self) -> int:
        """Spans that reached no collector."""

    def send(self, spans: list[Span]) -> None:
        """Hands them over."""

    def look(self) -> None:
        """Called now and then."""

    def close(self) -> None:
        """Waits a moment for what was sent."""


class Tracing:
    """The traces of one consumer."""

    def __init__(self, ratio: float, group_id: str, sender: Sender) -> None:
        self._sampler = Sampler(ratio) if ratio else None
        self._group = group_id.encode()
        self._seeds: dict[tuple[str, int], bytes] = {}
        self.sender = sender

    # Which

    def executions(self, chunk: Chunk) -> dict[int, Execution]:
        """The attempts of a batch that are traced, by index, in ascending order."""
        if chunk.plain:
            return dict(self._begun(chunk)) if self._sampler is not None else {}
        partitions, found = chunk.partitions, {}
        for index, record in enumerate(chunk.records):
            execution = self.execution(partitions[record[0]], record)
            if execution is not None:
                found[index] = execution
        return found

    def execution(self, partition: Partition, record: Record) -> Execution | None:
        """The attempt of a message as a span; None where it is not traced."""
        _, offset, timestamp, attempt, _, _, headers = record
        header = parent_of(headers) if headers else None
        if header is None and not self._begins(partition, offset):
            return None
        return execution(self._seed(partition), offset, timestamp, attempt, header)

    def _begins(self, partition: Partition, offset: int) -> bool:
        """Whether a message without a context begins a trace."""
        return self._sampler is not None and self._sampler.is_chosen(self._seed(partition), offset)

    def _begun(self, chunk: Chunk) -> Iterator[tuple[int, Execution]]:
        """Of messages as they were read, none of which has headers. The records of a partition are in order."""
        assert self._sampler is not None  # noqa: S101
        start = 0
        for source, run in groupby(chunk.records, _source):
            records, seed = list(run), self._seed(chunk.partitions[source])
            for chosen in self._sampler.chosen(seed, records[0][1], records[-1][1]):
                index = bisect_left(records, chosen, key=_offset)
                _, offset, timestamp, attempt, *_ = records[index]
                if offset == chosen and (found := execution(seed, offset, timestamp, attempt, None)):
                    yield start + index, found
            start += len(records)

    def _seed(self, partition: Partition) -> bytes:
        place = partition.topic, partition.number
        seed = self._seeds.get(place)
        if seed is None:
            seed = self._seeds[place] = b"%s\0%s\0%d" % (self._group, partition.topic.encode(), partition.number)
        return seed

    # What is told

    def answered(self, flight: Flight, records: Sequence[Record], results: Results) -> list[int]:
        """Attempts ended. Returns which of the answers are of messages that are traced."""
        positions = list(_positions(flight, results))
        runs = {index: (began, ended) for index, began, ended in results.runs}
        spans = []
        for position, index in positions:
            record, outcome = records[position], results.outcomes[position]
            partition = flight.partitions[record[0]]
            # Of a partition that was given up meanwhile the next owner runs the message, and tells of it.
            if type(outcome) is not NotRun and not partition.revoked:
                when = runs.get(index) or _since(flight)
                spans.append(_span(partition, record, flight.executions[index], outcome, when))
        if spans:
            self.sender.send(spans)
        return [position for position, _ in positions]

    def died(self, flight: Flight, record: Record, failed: Failed) -> None:
        """An attempt ended with its worker."""
        partition = flight.partitions[record[0]]
        if found := self.execution(partition, record):
            self.sender.send([_span(partition, record, found, failed, _since(flight))])


def _positions(flight: Flight, results: Results) -> Iterator[tuple[int, int]]:
    """Of the answers that are of messages that are traced, where they stand and the message's index in its batch."""
    if results.indexes is None:
        for index in flight.executions:
            if 0 <= index - results.first < len(results.outcomes):
                yield index - results.first, index
        return
    for position, index in enumerate(results.indexes):
        if index in flight.executions:
            yield position, index


def _since(flight: Flight) -> tuple[int, int]:
    """From when a batch was sent until now, where nobody says when its messages ran."""
    now = time.time_ns()
    return now - int((time.monotonic() - flight.sent) * 1e9), now


def _span(partition: Partition, record: Record, execution: Execution, outcome: Outcome, when: tuple[int, int]) -> Span:
    failed = outcome if isinstance(outcome, Failed) else None
    return Span(
        topic=partition.topic,
        partition=partition.number,
        offset=record[1],
        attempt=record[3],
        is_tombstone=record[5] is None,
        trace_id=execution.trace_id,
        span_id=execution.span_id,
        parent_id=execution.parent_id,
        flags=execution.flags,
        state=_state(record[6] or []),
        is_linked=execution.is_linked,
        began=when[0],
        ended=when[1],
        result=failed.reason[:LONGEST_NAME] if failed else "filtered" if outcome is None else "succeeded",
        error_class=failed.error_class[:LONGEST_NAME] if failed else "",
        error_message=failed.message[:LONGEST_MESSAGE] if failed else "",
    )


def _state(headers: Headers) -> bytes:
    state = b",".join(content for name, content in headers if name == STATE and content)
    return state if len(state) <= LONGEST_STATE else b""
