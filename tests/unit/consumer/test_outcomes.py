"""What becomes of answers while a dead letter is on its way."""

import logging
import random
from collections import Counter

import pytest
from confluent_kafka import KafkaError
from msgspec.structs import replace

from kafkatrigger.api.consumer_config import TopicSettings
from kafkatrigger.api.frames import Batch, Failed, Headers, NotRun, Outcome, Record, Results, WorkerExited
from kafkatrigger.consumer.blame import Blame
from kafkatrigger.consumer.breaker import Breaker
from kafkatrigger.consumer.chunk import Chunk
from kafkatrigger.consumer.dispatcher import Dispatcher
from kafkatrigger.consumer.lanes import Lanes
from kafkatrigger.consumer.offsets import BLOCKED, Origin, Parked, Position, lane_of, start
from kafkatrigger.consumer.outcomes import Outcomes
from kafkatrigger.consumer.output import Output, Plain
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.spans import Span
from kafkatrigger.consumer.tracing import Tracing
from tests.simulation.world import config

CONFIG = replace(
    config(random.Random(0)),
    on_failure="DeadLetter",
    ordering="Key",
    response=TopicSettings("responses", create=True, max_bytes=10**7),
    response_headers="None",
)
FAILED = Failed("FunctionFailed", "ValueError", "boom", True)


class Outbox:
    """Remembers what is to be written."""

    def __init__(self) -> None:
        self.acknowledged: Counter[str] = Counter()
        self.written: list[Output] = []

    def write(self, output: Output) -> None:
        self.written.append(output)

    def respond(self, plain: Plain) -> None:
        self.written += plain.outputs()

    @property
    def offsets(self) -> list[int]:
        return [output.source[1] for output in self.written]


class Spans:
    """Nobody exports them."""

    dropped = 0

    def send(self, spans: list[Span]) -> None:
        pass

    def look(self) -> None:
        pass

    def close(self) -> None:
        pass


class World:
    def __init__(self, ratio: float | None = None) -> None:
        tracing = None if ratio is None else Tracing(ratio, "group", Spans())
        self.partition = Partition("t", 0, 100, Origin("Committed"), start(0))
        self.lanes = Lanes(10_000, 1_000)
        self.dispatcher = Dispatcher("Key", 100, self.lanes, tracing)
        self.outbox = Outbox()
        self.outcomes = Outcomes(CONFIG, self.dispatcher, self.lanes, Breaker(None), lambda _: self.outbox, tracing)  # type: ignore[arg-type,return-value]
        self.blame = Blame(CONFIG.retry, self.dispatcher, self.lanes, self.outcomes.lane, self.outcomes.died)
        self.dispatcher.resize(1)
        self.dispatcher.attach(0)

    def read(self, *offsets: int, key: bytes | None = b"k") -> None:
        records: list[Record] = [(0, offset, 0, 1, key, b"v", None) for offset in offsets]
        self.dispatcher.add(Chunk([self.partition], records, len(records), plain=True))

    def sent(self) -> list[Batch]:
        self.lanes.tick(1e12)
        self.dispatcher.queue_lanes()
        return [batch for _, batch in self.dispatcher.departures() if batch.records]

    @property
    def failures(self) -> list[tuple[int, str, bool]]:
        """Offset and reason of what failed last, and whether for good."""
        return [(each.offset, each.reason, each.final) for each in self.outcomes.last_failures.messages]

    def answer(self, batch: Batch, *outcomes: Outcome, first: int = 0) -> None:
        self.outcomes.answered(0, Results(batch.id, first, list(outcomes)))


@pytest.fixture
def world() -> World:
    return World()


def test_a_key_goes_on_when_the_dead_letter_before_is_acknowledged(world: World) -> None:
    world.read(1, 2)
    (batch,) = world.sent()
    world.answer(batch, FAILED, NotRun())
    assert (world.outbox.offsets, world.sent()) == ([1], [])
    world.outcomes.settled(world.outbox.written[0])
    (batch,) = world.sent()
    assert [record[1] for record in batch.records] == [2]


def test_a_message_without_key_waits_for_no_dead_letter(world: World) -> None:
    world.read(1, 2, key=None)
    (batch,) = world.sent()
    world.answer(batch, FAILED, b"2")
    assert world.outbox.offsets == [1, 2]
    assert len(world.lanes) == 0


def test_results_behind_a_dead_letter_are_written_behind_it(world: World) -> None:
    """A worker may have run a later message, of which nobody knows why the process ended."""
    world.read(1, 2)
    (batch,) = world.sent()
    world.answer(batch, FAILED)
    world.answer(batch, b"2", first=1)
    assert world.outbox.offsets == [1]
    world.outcomes.settled(world.outbox.written[0])
    assert world.outbox.offsets == [1, 2]


def test_results_behind_a_dead_letter_are_the_next_owners_where_the_partition_is_gone(world: World) -> None:
    world.read(1, 2)
    (batch,) = world.sent()
    world.answer(batch, FAILED)
    world.answer(batch, b"2", first=1)
    world.partition.revoked = True
    world.outcomes.settled(world.outbox.written[0])
    assert world.outbox.offsets == [1]


def test_a_suspect_does_not_run_before_a_message_whose_failure_is_not_dealt_with_yet(world: World) -> None:
    world.read(1, 2, 3)
    (batch,) = world.sent()
    world.answer(batch, FAILED)
    world.answer(batch, Failed("FunctionFailed", "ValueError", "boom", False), first=1)
    world.blame.worker_gone(0, None)
    assert world.dispatcher.workers[0].in_flight == 0
    world.dispatcher.attach(0)
    assert world.sent() == []


def test_what_somebody_decided_is_about_the_message_that_blocked_and_not_one_before(world: World) -> None:
    """A commit told of a blocked key, and that an earlier message of it is still open."""
    lane_id = lane_of("Key", b"k", 5)
    world.partition = Partition(
        "t", 0, 50, Origin("Committed"), Position(2, 50, [(2, 3)], [Parked(lane_id, 5, 50, 4, BLOCKED)])
    )
    world.lanes.restore(world.partition)
    world.read(2)
    (lane,) = world.lanes
    world.lanes.unblock(lane, "skip")
    assert world.outcomes.read_again(lane, (0, 2, 0, 1, b"k", b"v", None))
    assert not world.outcomes.read_again(lane, (0, 5, 0, 1, b"k", b"v", None))
    world.lanes.leave_outside(lane)
    (batch,) = world.sent()
    world.answer(batch, b"2")
    assert (world.outbox.offsets, lane.spilled, world.outbox.acknowledged["skipped"]) == ([2], 3, 0)
    assert world.outcomes.read_again(lane, (0, 5, 0, 1, b"k", b"v", None))
    assert (world.outbox.offsets, world.outbox.acknowledged["skipped"]) == ([2], 1)


def test_what_did_not_run_waits_in_its_lane_and_not_with_the_answers(world: World) -> None:
    """A later message that is suspected has to see it: it runs behind it."""
    world.read(1, 2, 3)
    (batch,) = world.sent()
    world.answer(batch, FAILED, NotRun())
    (lane,) = world.lanes
    assert ([record[1] for record in lane.records], lane.answers) == ([2], [])
    world.blame.worker_gone(0, WorkerExited(0, "WorkerCrashed", "boom", [(batch.id, 2)]))
    world.dispatcher.attach(0)
    assert not lane.quarantined


def test_what_failed_for_good_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.read(1)
    (batch,) = world.sent()
    world.answer(batch, FAILED)
    assert world.failures == [(1, "FunctionFailed", True)]
    (line,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert line.getMessage().startswith("t-0-1 failed for good")
    assert (vars(line)["topic"], vars(line)["partition"], vars(line)["offset"]) == ("t", 0, 1)


def test_a_failure_that_is_tried_again_is_told_as_such(world: World) -> None:
    world.read(1)
    (batch,) = world.sent()
    world.answer(batch, replace(FAILED, permanent=False))
    assert world.failures == [(1, "FunctionFailed", False)]


def test_a_response_that_its_topic_refuses_is_told(world: World) -> None:
    world.read(1)
    (batch,) = world.sent()
    world.answer(batch, b"too large")
    letter = world.outcomes.refused(world.outbox.written[0], KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    assert letter is not None
    assert world.failures == [(1, "ResponseRefused", True)]


@pytest.mark.parametrize("ratio", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("failing", [None, 20])
def test_responses_with_a_context_are_written_in_their_place(ratio: float, failing: int | None) -> None:
    world = World(ratio)
    world.read(*range(30), key=None)
    (batch,) = world.sent()
    world.answer(batch, *[FAILED if offset == failing else b"v" for offset in range(30)])
    assert world.outbox.offsets == list(range(30))
    assert len(batch.timed) == 30 * ratio
    told = {record[1]: record[6] for record in batch.records}
    assert {index for index, headers in told.items() if headers} == batch.timed
    for output in world.outbox.written:
        if output.outcome == "succeeded":
            assert output.headers == (told[output.source[1]] or [])


def test_a_message_that_is_read_with_headers_is_answered_with_its_attempt() -> None:
    world = World(0.0)
    own: Headers = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("own", b"1")]
    world.dispatcher.add(
        Chunk([world.partition], [(0, 1, 0, 1, b"k", b"v", own), (0, 2, 0, 1, b"k", b"v", own[1:])], 9)
    )
    (batch,) = world.sent()
    world.answer(batch, b"1", b"2")
    told = [dict(record[6] or []).get("traceparent") for record in batch.records]
    assert [output.headers for output in world.outbox.written] == [[("traceparent", told[0])], []]
    assert told[1] is None
    assert world.outbox.written[0].source[6] is own, "what is written of it besides has it as it was"
