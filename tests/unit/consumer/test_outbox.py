"""The outbox, with a producer that fails as brokers do. The producer stands in for faults; real ones are elsewhere."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigEntry

from kafkatrigger.api.frames import Record
from kafkatrigger.consumer import at_least_once, dead_letter
from kafkatrigger.consumer.at_least_once import AtLeastOnce
from kafkatrigger.consumer.commits import Positions
from kafkatrigger.consumer.limits import Limits
from kafkatrigger.consumer.offsets import Origin, Position, start
from kafkatrigger.consumer.outbox import Callbacks, Connections
from kafkatrigger.consumer.output import Output, Plain
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.sizes import sizes
from tests.support.waiting import until

TOO_LARGE = KafkaError.MSG_SIZE_TOO_LARGE
INVALID = KafkaError.INVALID_RECORD


def partition(number: int) -> Partition:
    return Partition("t", number, 0, Origin("Committed"), start(0))


PARTITION = partition(3)


class FakeMessage:
    """As in a delivery report: without headers."""

    def __init__(self, topic: str, value: bytes | None, key: bytes | None) -> None:
        self._content = topic, value, key

    def topic(self) -> str:
        return self._content[0]

    def value(self) -> bytes | None:
        return self._content[1]

    def key(self) -> bytes | None:
        return self._content[2]


class FakeProducer:
    """What is flushed together to a topic is one batch, and an error of one record is an error of all."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._on_delivery = settings["on_delivery"]
        self._batch: list[tuple[FakeMessage, dict[str, Any]]] = []
        self.written: list[tuple[str, bytes | None, bytes | None]] = []
        self.headers: list[Any] = []
        self.room = 1000
        self.hangs = False
        self.verdict: Callable[[str, bytes | None], int | None] = lambda *_: None
        self.refuses: Callable[[str], BaseException | None] = lambda _: None

    def produce(self, topic: str, value: bytes | None = None, key: bytes | None = None, **more: Any) -> None:
        if error := self.refuses(topic):
            raise error
        if len(self._batch) >= self.room:
            raise BufferError
        self._batch.append((FakeMessage(topic, value, key), more))

    def poll(self, _: float) -> int:
        return 0

    def __len__(self) -> int:
        return len(self._batch)

    def flush(self, _: float) -> int:
        if self.hangs:
            return len(self._batch)
        batch, self._batch = self._batch, []
        verdicts = [(message.topic(), self.verdict(message.topic(), message.value())) for message, _ in batch]
        errors = {topic: code for topic, code in verdicts if code}
        for message, more in batch:
            if message.topic() in errors:
                more.get("on_delivery", self._on_delivery)(KafkaError(errors[message.topic()]), message)
            else:
                self.written.append((message.topic(), message.value(), message.key()))
                self.headers.append(more.get("headers"))
        return 0


class Answer(Future[dict[str, ConfigEntry]]):
    """What a broker says of a topic's settings."""

    def __init__(self, limit: int | None) -> None:
        super().__init__()
        if limit is None:
            self.set_exception(KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))
        else:
            self.set_result({"max.message.bytes": ConfigEntry("max.message.bytes", str(limit))})


class Commits:
    """In the place of a source: remembers what is to be committed."""

    def __init__(self) -> None:
        self.positions: list[Positions] = []

    def commit(self, positions: Positions) -> None:
        self.positions.append(positions)

    def commit_last(self, positions: Positions) -> bool:
        self.positions.append(positions)
        return True

    def group_metadata(self) -> object:
        return None

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, str]]:
        return dict.fromkeys(partitions, (0, ""))


class World:
    """An outbox on a producer that fails at command."""

    def __init__(self, limit: int | None = None) -> None:
        self.refused: list[Output] = []
        self.held: list[Output] = []
        self.settled: list[Output] = []
        self.probes: list[tuple[Output, Future[KafkaError | None]]] = []
        self.asked: list[str] = []
        self.limit = limit
        connections = Connections(lambda _: {}, self._probe, Limits(["out"], self._ask))
        self.outbox = AtLeastOnce(connections, Callbacks(self._refuse, self.held.append, self.settled.append))
        self.commits = Commits()
        self.outbox.pump()

    @property
    def producer(self) -> Any:
        return self.outbox._producer

    def _ask(self, topic: str) -> Answer:
        self.asked.append(topic)
        return Answer(self.limit)

    def _probe(self, output: Output) -> "Future[KafkaError | None]":
        answer: Future[KafkaError | None] = Future()
        self.probes.append((output, answer))
        return answer

    def _refuse(self, output: Output, error: KafkaError) -> Output | None:
        self.refused.append(output)
        if output.outcome == "dead_lettered":
            return dead_letter.reference(output)
        headers = dead_letter.headers(PARTITION, output.source, "ResponseRefused", error.name(), "why")
        return Output(PARTITION, output.source, "dlq", output.source[5], output.source[4], headers, "dead_lettered")

    def respond(self, *values: bytes, start: int = 0) -> None:
        records = [record(start + index, b"k") for index in range(len(values))]
        self.outbox.respond(Plain("out", [PARTITION], records, list(values), sum(map(len, values)) + sizes(records)))

    def write(self, value: bytes, offset: int = 0, **more: Any) -> None:
        output = Output(PARTITION, record(offset, b"k"), "out", value, b"k", [("h", b"1")], "succeeded", **more)
        self.outbox.write(output)

    def several(self, *values: bytes, offset: int = 0) -> None:
        """Answers one message with all of these."""
        source = record(offset, b"k")
        outcomes = [""] * (len(values) - 1) + ["succeeded"]
        pairs = zip(values, outcomes, strict=True)
        self.outbox.write(*[Output(PARTITION, source, "out", value, b"k", [], outcome) for value, outcome in pairs])

    def flush(self) -> bool:
        """One commit."""
        return self.outbox.commit(self.commits, list)

    def settle(self) -> None:
        for _ in range(50):
            self.flush()
            self.outbox.pump()
        self.flush()

    def until(self, condition: Callable[[], Any]) -> None:
        """Pumps until the condition holds."""

        def pumped() -> bool:
            self.outbox.pump()
            return bool(condition())

        until(pumped, 10)

    def recover(self, error: int | None = None) -> None:
        """The next probe is written, or not."""
        self.until(lambda: self.probes)
        _, answer = self.probes.pop()
        answer.set_result(None if error is None else KafkaError(error))
        self.outbox.pump()

    @property
    def open(self) -> list[int]:
        return sorted(offset for _, offset in self.outbox.open_offsets())

    @property
    def values(self) -> list[bytes]:
        return [value for _, value, _ in self.producer.written]


def record(offset: int, key: bytes | None = None) -> Record:
    return (0, offset, 1_000, 1, key, b"source", None)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(at_least_once, "Producer", FakeProducer)
    return World()


def test_what_is_written_is_open_until_it_is_acknowledged(world: World) -> None:
    world.respond(b"a", b"b")
    world.write(b"c", 2)
    assert (world.open, world.outbox.unacknowledged) == ([0, 1, 2], 3)
    assert world.flush()
    assert (world.open, world.outbox.unacknowledged, world.outbox.bytes) == ([], 0, 0)
    assert world.outbox.acknowledged == Counter(succeeded=3)


def test_what_is_acknowledged_meanwhile_is_known_without_a_commit(world: World) -> None:
    world.respond(b"a")
    world.outbox.pump()
    assert world.open == [0]
    world.producer.flush(0)  # as the client does by itself
    world.outbox.pump()
    assert world.open == []
    assert (world.outbox.acknowledged["succeeded"], sum(world.outbox.latency.counts)) == (1, 1)


def test_positions_are_asked_for_after_the_acknowledgements(world: World) -> None:
    world.respond(b"a", b"b")
    position = Position(2, 2)
    seen: list[list[int]] = []

    def positions() -> Positions:
        seen.append(world.open)
        return [(PARTITION, position)]

    assert world.outbox.commit(world.commits, positions)
    assert (seen, world.commits.positions) == ([[]], [[(PARTITION, position)]])


def test_a_flush_that_does_not_complete_acknowledges_nothing_and_still_commits_the_rest(world: World) -> None:
    world.producer.hangs = True
    world.respond(b"a")
    assert not world.flush()
    assert world.open == [0]
    assert len(world.commits.positions) == 1
    world.producer.hangs = False
    world.settle()
    assert world.open == []


def test_a_full_client_in_the_middle_of_a_batch_loses_and_reorders_nothing(world: World) -> None:
    world.producer.room = 2
    world.respond(b"a", b"b", b"c", b"d")
    world.respond(b"e", start=4)
    world.write(b"f", 5)
    assert world.outbox.full
    assert world.open == [0, 1, 2, 3, 4, 5]
    world.settle()
    assert world.values == [b"a", b"b", b"c", b"d", b"e", b"f"]
    assert (world.open, world.outbox.acknowledged) == ([], Counter(succeeded=6))
    assert (world.outbox.full, world.outbox.bytes) == (False, 0)


def test_one_bad_record_of_a_batch_is_found_and_the_others_are_written(world: World) -> None:
    world.producer.verdict = lambda _, value: INVALID if value == b"bad" else None
    world.respond(*[b"%d" % n for n in range(7)], b"bad", *[b"%d" % n for n in range(8, 12)])
    world.write(b"special", 12)
    assert world.flush()
    assert len(world.open) == 13, "all of the batch failed, all of it is open"
    world.settle()
    assert sorted(world.values) == sorted([b"source", b"special", *[b"%d" % n for n in range(12) if n != 7]])
    assert [each.value for each in world.refused] == [b"bad"]
    assert world.outbox.acknowledged == Counter(succeeded=12, dead_lettered=1)
    assert (world.open, world.outbox.full, world.outbox.problems, world.outbox.bytes) == ([], False, {}, 0)


def test_a_record_that_its_topic_would_not_take_is_never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_least_once, "Producer", FakeProducer)
    world = World(limit=1000)
    world.until(lambda: world.outbox._limits._known)
    world.producer.verdict = lambda _, value: TOO_LARGE if value and len(value) > 1000 else None
    world.respond(b"a", b"x" * 1001, b"b")
    world.write(b"y" * 1001, 3)
    assert world.flush()
    assert (world.values, len(world.refused)) == ([b"a", b"source", b"b", b"source"], 2)
    assert (world.open, world.outbox.bytes) == ([], 0)


def test_a_size_that_was_refused_is_asked_for_again(world: World) -> None:
    assert world.asked == ["out"]
    world.limit = 1000
    world.producer.verdict = lambda _, value: TOO_LARGE if value and len(value) > 1000 else None
    world.respond(b"a", b"x" * 1001)
    world.settle()
    world.until(lambda: world.asked == ["out", "out"])


def test_records_that_failed_stay_before_those_that_came_later(world: World) -> None:
    verdicts = iter([INVALID])
    world.producer.verdict = lambda *_: next(verdicts, None)
    world.respond(b"a", b"b")
    world.flush()
    world.respond(b"c", start=2)
    world.write(b"d", 3)
    world.settle()
    assert world.values == [b"a", b"b", b"c", b"d"]


def test_of_identical_records_as_many_are_written_as_there_are_messages(world: World) -> None:
    verdicts = iter([INVALID])
    world.producer.verdict = lambda *_: next(verdicts, None)
    world.respond(b"same", b"same")
    world.write(b"same", 2)
    world.write(b"same", 3)
    world.flush()
    world.respond(b"same", start=4)
    world.settle()
    assert len(world.values) == 5
    assert world.outbox.acknowledged == Counter(succeeded=5)


def test_a_failed_record_with_headers_is_not_taken_for_acknowledged(world: World) -> None:
    verdicts = iter([KafkaError.TOPIC_AUTHORIZATION_FAILED])
    world.producer.verdict = lambda *_: next(verdicts, None)
    world.write(b"a", 7)
    world.flush()
    assert (world.open, [each.value for each in world.held]) == ([7], [b"a"])
    world.recover()
    assert (world.open, [each.value for each in world.settled]) == ([], [b"a"])


def test_a_topic_that_refuses_writes_holds_up_nothing_else(world: World) -> None:
    world.producer.verdict = lambda topic, _: KafkaError.UNKNOWN_TOPIC_OR_PART if topic == "out" else None
    world.respond(b"a", b"b")
    world.flush()
    world.respond(b"c", start=2)
    world.outbox.write(Output(PARTITION, record(9), "dlq", b"letter", None, [], "dead_lettered"))
    assert world.flush()
    assert (world.values, world.open, world.outbox.full) == ([b"letter"], [0, 1, 2], False)
    assert "create it" in world.outbox.problems["out"]
    assert [each.value for each in world.held] == [b"a", b"b", b"c"]
    assert world.outbox.bytes > 0
    world.recover(KafkaError.UNKNOWN_TOPIC_OR_PART)
    assert (world.open, world.probes) == ([0, 1, 2], [])
    world.producer.verdict = lambda *_: None
    world.recover()
    assert world.outbox.problems == {}
    world.settle()
    assert (world.values, world.open, world.refused) == ([b"letter", b"b", b"c"], [], [])  # a was written by the probe
    assert [each.value for each in world.settled] == [b"a", b"b", b"c"]
    assert world.outbox.bytes == 0


def test_what_waited_for_its_topic_goes_before_what_is_written_in_parts(world: World) -> None:
    """A topic refused the first part and takes records again before the second was written."""
    older, newer = (
        Output(PARTITION, record(offset, b"k"), "out", value, b"k", [], "succeeded")
        for offset, value in enumerate((b"a", b"b"))
    )
    world.outbox._groups.append([newer])
    world.outbox._recovered([older], None)
    world.settle()
    assert world.values == [b"a", b"b"]


def test_the_dead_letter_of_what_failed_alone_takes_its_place(world: World) -> None:
    """Later results of its key wait in parts by then."""
    world.producer.verdict = lambda _, value: INVALID if value == b"bad" else None
    world.respond(b"bad", b"b", b"c")
    world.settle()
    assert world.values == [b"source", b"b", b"c"]


def test_the_dead_letter_of_what_is_too_large_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is known only now, and of several in one part."""
    monkeypatch.setattr(at_least_once, "Producer", FakeProducer)
    world = World(limit=1000)
    world.until(lambda: world.outbox._limits._known)
    values = [b"x" * 1001, b"y" * 1001, b"c"]
    group = [
        Output(PARTITION, (*record(offset, b"k")[:5], b"source %d" % offset, None), "out", value, b"k", [], "succeeded")
        for offset, value in enumerate(values)
    ]
    world.outbox._groups.extend([group, [group.pop()]])
    world.settle()
    assert world.values == [b"source 0", b"source 1", b"c"]


def test_an_unknown_topic_that_the_client_names_at_once_is_no_fault_of_the_record(world: World) -> None:
    world.producer.refuses = lambda _: KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))
    world.respond(b"a")
    world.write(b"b", 1)
    world.outbox.pump()
    assert (world.open, world.refused) == ([0, 1], [])
    assert list(world.outbox.problems) == ["out"]
    world.producer.refuses = lambda _: None
    world.recover()
    world.settle()
    assert world.values == [b"b"]


@pytest.mark.parametrize("error", [OverflowError("signed integer is greater than maximum"), ValueError("no")])
def test_arguments_that_the_client_does_not_take_are_the_records_fault(world: World, error: BaseException) -> None:
    world.producer.refuses = lambda topic: error if topic == "out" else None
    world.write(b"a", 0, target=2**40)
    world.settle()
    assert (world.values, world.outbox.acknowledged) == ([b"source"], Counter(dead_lettered=1))


def test_a_partition_that_a_function_made_up_is_refused_and_one_that_is_missing_is_waited_for(world: World) -> None:
    world.producer.verdict = lambda topic, _: KafkaError._UNKNOWN_PARTITION if topic == "out" else None
    world.write(b"a", 0, target=99)
    world.settle()
    assert world.values == [b"source"]
    world.write(b"b", 1)
    world.settle()
    assert (world.open, world.values) == ([1], [b"source"])


def test_a_dead_letter_shrinks_until_it_is_taken_and_otherwise_waits(world: World) -> None:
    world.producer.verdict = lambda *_: TOO_LARGE
    world.write(b"a")
    world.settle()
    assert (world.open, world.values) == ([0], [])
    assert list(world.outbox.problems) == ["dlq"]
    assert len(world.refused) < 20, "it is not tried without a pause"
    world.recover(TOO_LARGE)
    assert world.open == [0]
    world.producer.verdict = lambda *_: None
    world.recover()
    world.settle()
    assert (world.open, world.outbox.acknowledged) == ([], Counter(dead_lettered=1))
    (last,) = world.settled
    assert last.value is None
    assert {name.startswith("kafkatrigger.") for name, _ in last.headers} == {True}


def test_what_waits_for_a_partition_that_was_given_up_is_forgotten(world: World) -> None:
    world.producer.verdict = lambda *_: INVALID
    gone = partition(4)
    world.respond(b"a")
    world.outbox.respond(Plain("out", [gone], [record(9)], [b"b"], 7))
    world.flush()
    world.outbox.write(Output(gone, record(10), "out", b"c", None, [], "succeeded"))
    gone.revoked = True
    world.outbox.drop_revoked()
    world.producer.verdict = lambda *_: None
    world.settle()
    assert (world.values, world.outbox.bytes) == ([b"a"], 0)


def test_a_fatal_error_ends_the_process(world: World) -> None:
    world.outbox._on_error(KafkaError(KafkaError._TRANSPORT))
    fatal = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "", True)
    with pytest.raises(KafkaException):
        world.outbox._on_error(fatal)


def test_of_several_records_one_that_its_topic_would_not_take_keeps_all_from_being_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(at_least_once, "Producer", FakeProducer)
    world = World(limit=1000)
    world.respond(b"a")
    world.several(b"small", b"x" * 1001, b"last", offset=1)
    world.several(b"b", b"c", offset=2)
    world.settle()
    assert (world.values, len(world.refused)) == ([b"a", b"source", b"b", b"c"], 1)
    assert world.outbox.acknowledged == Counter(succeeded=2, dead_lettered=1)
    assert (world.open, world.outbox.bytes) == ([], 0)


def test_several_records_that_fail_are_refused_together(world: World) -> None:
    world.producer.verdict = lambda _, value: TOO_LARGE if value == b"large" else None
    world.respond(b"a", b"b")
    world.several(b"small", b"large", b"last", offset=2)
    world.respond(b"c", start=3)
    world.settle()
    assert (sorted(world.values), len(world.refused)) == ([b"a", b"b", b"c", b"source"], 1)
    assert world.outbox.acknowledged == Counter(succeeded=3, dead_lettered=1)
    assert (world.open, world.outbox.bytes) == ([], 0)


def test_what_is_not_written_yet_of_a_message_that_is_refused_never_is(world: World) -> None:
    """What was acknowledged before cannot be taken back."""
    world.producer.room = 1
    world.producer.verdict = lambda _, value: TOO_LARGE if value == b"large" else None
    world.several(b"small", b"large", b"last")
    world.respond(b"a", start=1)
    world.settle()
    assert (world.values, len(world.refused)) == ([b"small", b"source", b"a"], 1)
    assert world.outbox.acknowledged == Counter(succeeded=1, dead_lettered=1)
    assert (world.open, world.outbox.bytes) == ([], 0)


def test_several_records_that_wait_for_their_topic_are_refused_before_the_first_is_written(world: World) -> None:
    world.producer.verdict = lambda topic, _: KafkaError.UNKNOWN_TOPIC_OR_PART if topic == "out" else None
    world.respond(b"a")
    world.flush()
    world.outbox._limits._known["out"] = 1000
    world.several(b"small", b"x" * 1001, offset=1)
    assert (len(world.refused), [each.value for each in world.held]) == (1, [b"a"])


def test_nothing_is_written_before_somebody_has_said_how_much_a_topic_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_least_once, "Producer", FakeProducer)
    answer: Future[dict[str, ConfigEntry]] = Future()
    monkeypatch.setattr(World, "_ask", lambda *_: answer)
    world = World()
    world.respond(b"a")
    world.several(b"small", b"x" * 1001, offset=1)
    world.settle()
    assert (world.values, world.open, world.outbox.full) == ([], [0, 1, 1], True)
    answer.set_result({"max.message.bytes": ConfigEntry("max.message.bytes", "1000")})
    world.settle()
    assert world.values == [b"a", b"source"]


def answer(world: World, offset: int, *topics: str, size: int = 1) -> None:
    """Answers one message with a record to each of the topics."""
    source = record(offset, b"k")
    outcomes = [""] * (len(topics) - 1) + ["succeeded"]
    world.outbox.write(
        *[
            Output(PARTITION, source, topic, b"%d" % offset * size, b"k", [], outcome)
            for topic, outcome in zip(topics, outcomes, strict=True)
        ]
    )


def test_what_answers_a_message_waits_together_for_any_of_its_topics(world: World) -> None:
    world.producer.verdict = lambda topic, _: KafkaError.NOT_ENOUGH_REPLICAS if topic == "side" else None
    answer(world, 0, "side")
    world.settle()
    assert set(world.outbox.problems) == {"side"}
    answer(world, 1, "out", "side")
    answer(world, 2, "out")
    world.flush()
    assert (world.values, set(world.open)) == ([b"2"], {0, 1})
    world.producer.verdict = lambda *_: None
    world.recover()
    world.settle()
    written = [(topic, value) for topic, value, _ in world.producer.written]
    assert written == [("out", b"2"), ("out", b"1"), ("side", b"1")]
    assert (world.open, world.outbox.bytes, world.outbox.acknowledged) == ([], 0, Counter(succeeded=3))


def test_a_topic_is_probed_by_what_goes_to_it(world: World) -> None:
    world.producer.verdict = lambda topic, _: KafkaError.NOT_ENOUGH_REPLICAS if topic == "side" else None
    answer(world, 0, "out", "side")
    world.settle()
    world.until(lambda: world.probes)
    assert world.probes[0][0].topic == "side"


def test_of_two_topics_that_refuse_each_says_so_in_its_turn(world: World) -> None:
    world.producer.verdict = lambda *_: KafkaError.NOT_ENOUGH_REPLICAS
    answer(world, 0, "out", "side")
    world.settle()
    assert set(world.outbox.problems) == {"out", "side"}
    world.producer.verdict = lambda *_: None
    world.recover()
    assert set(world.outbox.problems) == {"side"}
    world.recover()
    world.settle()
    assert (world.outbox.problems, world.open, world.outbox.acknowledged["succeeded"]) == ({}, [], 1)


def test_a_record_too_large_for_its_topic_keeps_the_others_of_its_message_from_being_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(at_least_once, "Producer", FakeProducer)
    world = World(limit=1000)
    world.until(lambda: world.outbox._limits._known)
    answer(world, 1, "side", "out", size=2000)
    world.settle()
    assert [(topic, value) for topic, value, _ in world.producer.written] == [("dlq", b"source")]
    assert [each.topic for each in world.refused] == ["out"]
    assert (world.open, world.outbox.bytes) == ([], 0)
