"""What becomes of answers while a dead letter is on its way."""

import json
import logging
import random
from collections import Counter
from typing import Any

import pytest
from confluent_kafka import KafkaError
from msgspec.structs import replace

from kafkatrigger.api.consumer_config import ConsumerConfig, TopicSettings
from kafkatrigger.api.frames import Batch, Failed, Headers, NotRun, Outcome, Outputs, Record, Results, WorkerExited
from kafkatrigger.api.frames import Output as Answer
from kafkatrigger.api.transforming import Transforming
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
    response=TopicSettings("responses", create=True, max_bytes=1_000_000),
    response_headers="None",
)
FAILED = Failed("FunctionFailed", "ValueError", "boom", True)


class Outbox:
    """Remembers what is to be written."""

    def __init__(self) -> None:
        self.acknowledged: Counter[str] = Counter()
        self.written: list[Output] = []

    def write(self, *outputs: Output) -> None:
        self.written += outputs

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
    def __init__(self, ratio: float | None = None, config: ConsumerConfig = CONFIG) -> None:
        tracing = None if ratio is None else Tracing(ratio, "group", Spans())
        self.partition = Partition("t", 0, 100, Origin("Committed"), start(0))
        self.lanes = Lanes(10_000, 1_000)
        self.dispatcher = Dispatcher("Key", 100, self.lanes, tracing)
        self.outbox = Outbox()
        self.outcomes = Outcomes(config, self.dispatcher, self.lanes, Breaker(None), lambda _: self.outbox, tracing)  # type: ignore[arg-type,return-value]
        self.blame = Blame(self.outcomes.is_final, self.dispatcher, self.lanes, self.outcomes.lane, self.outcomes.died)
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


REQUESTS = replace(CONFIG, transforming=Transforming(mode="Execute"), output_topics=[TopicSettings("side", True, 1000)])
RETRIABLE = Failed("FunctionFailed", "Retriable", "later", False)
TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "2000 bytes, and max.message.bytes of the topic is 1000")


def error_of(output: Output) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(output.value or b"")["error"]
    return error


def test_a_request_that_fails_is_answered_under_its_key() -> None:
    world = World(config=REQUESTS)
    world.read(1, 2)
    (batch,) = world.sent()
    world.answer(batch, FAILED, b"2")
    assert world.outbox.offsets == [1, 2], "its lane waits for nothing"
    (failure, _) = world.outbox.written
    assert (failure.topic, failure.key, failure.outcome) == ("responses", b"k", "succeeded")
    assert (error_of(failure)["type"], error_of(failure)["message"]) == ("ValueError", "boom")
    assert len(world.lanes) == 0


def test_only_what_says_so_of_a_request_is_tried_again() -> None:
    world = World(config=REQUESTS)
    world.read(1, 2, key=None)
    (batch,) = world.sent()
    world.answer(batch, Failed("Timeout", "TimeoutError", "too long", False), RETRIABLE)
    assert world.outbox.offsets == [1]
    assert error_of(world.outbox.written[0])["type"] == "Timeout"
    assert world.failures == [(1, "Timeout", True), (2, "FunctionFailed", False)]


@pytest.mark.parametrize("reason", ["WorkerCrashed", "OutOfMemory", "Timeout"])
def test_a_request_with_which_its_worker_ended_is_answered(reason: Any) -> None:
    world = World(config=REQUESTS)
    world.read(1)
    (batch,) = world.sent()
    world.blame.worker_gone(0, WorkerExited(0, reason, "why", [(batch.id, 0)]))
    assert [error_of(each)["type"] for each in world.outbox.written] == [reason]
    assert len(world.lanes) == 0


def test_a_response_that_is_too_large_for_its_topic_becomes_a_failure_and_at_last_a_dead_letter() -> None:
    world = World(config=REQUESTS)
    world.read(1)
    (batch,) = world.sent()
    world.answer(batch, b"x" * 1900)
    failure = world.outcomes.refused(world.outbox.written[0], TOO_LARGE)
    assert failure is not None
    assert (failure.topic, error_of(failure)["type"]) == ("responses", "ResponseTooLarge")
    assert all(number in error_of(failure)["message"] for number in ("1900", "2000", "1000"))
    letter = world.outcomes.refused(failure, TOO_LARGE)
    assert letter is not None
    assert (letter.topic, letter.outcome) == (CONFIG.dead_letter.topic, "dead_lettered")


def test_a_failure_that_is_refused_is_given_up_as_the_trigger_says() -> None:
    world = World(config=replace(REQUESTS, on_failure="Skip"))
    world.read(1)
    (batch,) = world.sent()
    world.answer(batch, b"x" * 1900)
    failure = world.outcomes.refused(world.outbox.written[0], TOO_LARGE)
    assert failure is not None
    assert world.outcomes.refused(failure, TOO_LARGE) is None
    assert (len(world.outbox.written), world.outbox.acknowledged["skipped"]) == (1, 1)


def test_outputs_go_to_the_topics_that_the_trigger_names() -> None:
    world = World(config=replace(CONFIG, output_topics=REQUESTS.output_topics))
    world.read(1)
    (batch,) = world.sent()
    world.answer(batch, Outputs([Answer(b"a"), Answer(b"b", topic="side")]))
    written = [(each.topic, each.value, each.key, each.outcome) for each in world.outbox.written]
    assert written == [("responses", b"a", b"k", ""), ("side", b"b", b"k", "succeeded")]


@pytest.mark.parametrize("config", [replace(REQUESTS, transforming=None), REQUESTS], ids=["message", "request"])
def test_a_message_with_an_output_to_another_topic_has_failed(config: ConsumerConfig) -> None:
    world = World(config=config)
    world.read(1, 2)
    (batch,) = world.sent()
    world.answer(batch, Outputs([Answer(b"a"), Answer(b"b", topic="responses")]), b"2")
    (failure, *later) = world.outbox.written
    assert failure.topic == ("responses" if config.is_request else CONFIG.dead_letter.topic)
    assert len(later) == config.is_request, "a dead letter is waited for"
    world.outcomes.settled(failure) if not config.is_request else None
    assert world.outbox.offsets == [1, 2]
    ((offset, reason, final),) = world.failures
    assert (offset, reason, final) == (1, "InvalidResult", True)


def test_without_a_topic_for_responses_only_outputs_to_others_are_written() -> None:
    world = World(config=replace(CONFIG, response=None, output_topics=REQUESTS.output_topics))
    world.read(1, 2)
    (batch,) = world.sent()
    world.answer(batch, Outputs([Answer(b"b", topic="side"), Answer(b"a")]), b"2")
    assert [(each.topic, each.outcome) for each in world.outbox.written] == [("side", "succeeded")]
    assert world.outbox.acknowledged["succeeded"] == 1
