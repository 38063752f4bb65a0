"""The outbox, with a producer that fails as brokers do. The producer stands in for faults; real ones are elsewhere."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafkatrigger.api.frames import Record
from kafkatrigger.consumer import dead_letter, outbox
from kafkatrigger.consumer.outbox import Outbox, Output, Plain
from kafkatrigger.consumer.partition import Partition

TOO_LARGE = KafkaError.MSG_SIZE_TOO_LARGE
PARTITION = Partition("t", 3, 0, "Committed")


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
    """What is flushed together is one batch, and an error of one record is an error of all."""

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

    def flush(self, _: float) -> int:
        if self.hangs:
            return len(self._batch)
        batch, self._batch = self._batch, []
        errors = [code for message, _ in batch if (code := self.verdict(message.topic(), message.value()))]
        for message, more in batch:
            if errors:
                more.get("on_delivery", self._on_delivery)(KafkaError(errors[0]), message)
            else:
                self.written.append((message.topic(), message.value(), message.key()))
                self.headers.append(more.get("headers"))
        return 0


class World:
    """An outbox on a producer that fails at command."""

    def __init__(self) -> None:
        self.refused: list[Output] = []
        self.outbox = Outbox({}, self._refuse)
        self.producer: Any = self.outbox._producer

    def _refuse(self, output: Output, error: KafkaError) -> Output | None:
        self.refused.append(output)
        if output.outcome == "dead_lettered":
            return dead_letter.reference(output)
        headers = dead_letter.headers(PARTITION, output.source, "ResponseRefused", error.name(), "why")
        return Output(PARTITION, output.source, "dlq", output.source[5], output.source[4], headers, "dead_lettered")

    def respond(self, *values: bytes, start: int = 0) -> None:
        records = [record(start + index, b"k") for index in range(len(values))]
        self.outbox.respond(Plain("out", [PARTITION], records, list(values)))

    def write(self, value: bytes, offset: int = 0, **more: Any) -> None:
        output = Output(PARTITION, record(offset, b"k"), "out", value, b"k", [("h", b"1")], "succeeded", **more)
        self.outbox.write(output)

    def settle(self) -> None:
        for _ in range(50):
            self.outbox.flush()
            self.outbox._retry_at = 0.0
            self.outbox.pump()
        self.outbox.flush()

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
    monkeypatch.setattr(outbox, "Producer", FakeProducer)
    return World()


def test_what_is_written_is_open_until_it_is_flushed(world: World) -> None:
    world.respond(b"a", b"b")
    world.write(b"c", 2)
    assert (world.open, world.outbox.unacknowledged) == ([0, 1, 2], 3)
    assert world.outbox.flush()
    assert (world.open, world.outbox.unacknowledged, world.outbox.bytes) == ([], 0, 0)
    assert world.outbox.acknowledged == Counter(succeeded=3)


def test_a_flush_that_does_not_complete_acknowledges_nothing(world: World) -> None:
    world.producer.hangs = True
    world.respond(b"a")
    assert not world.outbox.flush()
    assert world.open == [0]
    world.producer.hangs = False
    world.settle()
    assert world.open == []


def test_a_full_client_in_the_middle_of_a_batch_loses_and_reorders_nothing(world: World) -> None:
    world.producer.room = 2
    world.respond(b"a", b"b", b"c", b"d")
    world.respond(b"e", start=4)
    world.write(b"f", 5)
    assert world.outbox.blocked
    assert world.open == [0, 1, 2, 3, 4, 5]
    world.settle()
    assert world.values == [b"a", b"b", b"c", b"d", b"e", b"f"]
    assert (world.open, world.outbox.acknowledged) == ([], Counter(succeeded=6))


def test_one_bad_record_of_a_batch_is_found_and_the_others_are_written(world: World) -> None:
    world.producer.verdict = lambda _, value: TOO_LARGE if value == b"bad" else None
    world.respond(*[b"%d" % n for n in range(7)], b"bad", *[b"%d" % n for n in range(8, 12)])
    world.write(b"special", 12)
    assert world.outbox.flush()
    assert len(world.open) == 13, "all of the batch failed, all of it is open"
    world.settle()
    assert sorted(world.values) == sorted([b"source", b"special", *[b"%d" % n for n in range(12) if n != 7]])
    assert [each.value for each in world.refused] == [b"bad"]
    assert world.outbox.acknowledged == Counter(succeeded=12, dead_lettered=1)
    assert (world.open, world.outbox.blocked, world.outbox.problem) == ([], False, None)


def test_records_that_failed_stay_before_those_that_came_later(world: World) -> None:
    verdicts = iter([KafkaError.NOT_ENOUGH_REPLICAS])
    world.producer.verdict = lambda *_: next(verdicts, None)
    world.respond(b"a", b"b")
    world.outbox.flush()
    world.respond(b"c", start=2)
    world.write(b"d", 3)
    world.settle()
    assert world.values == [b"a", b"b", b"c", b"d"]


def test_of_identical_records_as_many_are_written_as_there_are_messages(world: World) -> None:
    verdicts = iter([TOO_LARGE])
    world.producer.verdict = lambda *_: next(verdicts, None)
    world.respond(b"same", b"same")
    world.write(b"same", 2)
    world.write(b"same", 3)
    world.outbox.flush()
    world.respond(b"same", start=4)
    world.settle()
    assert len(world.values) == 5
    assert world.outbox.acknowledged == Counter(succeeded=5)


def test_a_failed_record_with_headers_is_not_taken_for_acknowledged(world: World) -> None:
    verdicts = iter([KafkaError.TOPIC_AUTHORIZATION_FAILED])
    world.producer.verdict = lambda *_: next(verdicts, None)
    world.write(b"a", 7)
    world.outbox.flush()
    assert world.open == [7]
    world.settle()
    assert (world.values, world.producer.headers) == ([b"a"], [[("h", b"1")]])


def test_a_topic_that_takes_nothing_is_a_problem_until_it_does(world: World) -> None:
    world.producer.verdict = lambda *_: KafkaError.UNKNOWN_TOPIC_OR_PART
    world.respond(b"a", b"b")
    world.outbox.flush()
    world.outbox.pump()
    problem = world.outbox.problem
    assert problem is not None
    assert problem[0] == "out"
    assert (world.open, world.outbox.blocked) == ([0, 1], True)
    world.producer.verdict = lambda *_: None
    world.settle()
    assert (world.open, world.outbox.problem, world.refused) == ([], None, [])


def test_an_unknown_topic_that_the_client_names_at_once_is_no_fault_of_the_record(world: World) -> None:
    world.producer.refuses = lambda _: KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))
    world.respond(b"a")
    world.write(b"b", 1)
    world.outbox.pump()
    assert (world.open, world.refused) == ([0, 1], [])
    assert world.outbox.problem is not None
    world.producer.refuses = lambda _: None
    world.settle()
    assert world.values == [b"a", b"b"]


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
    assert world.outbox.problem is not None
    assert len(world.refused) < 200, "it is not tried without a pause"
    world.producer.verdict = lambda *_: None
    world.settle()
    assert world.open == []
    assert [value for _, value, _ in world.producer.written] == [None]
    assert {name.startswith("kafkatrigger.") for name, _ in world.producer.headers[0]} == {True}


def test_what_waits_for_a_partition_that_was_given_up_is_forgotten(world: World) -> None:
    world.producer.verdict = lambda *_: KafkaError.NOT_ENOUGH_REPLICAS
    gone = Partition("t", 4, 0, "Committed")
    world.respond(b"a")
    world.outbox.respond(Plain("out", [gone], [record(9)], [b"b"]))
    world.outbox.flush()
    world.outbox.write(Output(gone, record(10), "out", b"c", None, [], "succeeded"))
    gone.revoked = True
    world.outbox.drop_revoked()
    world.producer.verdict = lambda *_: None
    world.settle()
    assert world.values == [b"a"]


def test_a_fatal_error_ends_the_process(world: World) -> None:
    world.producer.refuses = lambda _: KafkaException(KafkaError(KafkaError._FATAL))
    with pytest.raises(KafkaException):
        world.write(b"a")
