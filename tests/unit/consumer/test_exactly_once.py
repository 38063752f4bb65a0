"""The outbox of ExactlyOnce, with a producer whose transactions end at command. Real ones are elsewhere."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from threading import Event
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from kafkatrigger.api.frames import Record
from kafkatrigger.consumer import exactly_once, transaction
from kafkatrigger.consumer.commits import Positions
from kafkatrigger.consumer.exactly_once import ExactlyOnce, _apart
from kafkatrigger.consumer.limits import Limits
from kafkatrigger.consumer.offsets import Origin, decode_metadata, position, start
from kafkatrigger.consumer.outbox import Callbacks, Connections
from kafkatrigger.consumer.output import Output, Plain, tie
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.sizes import sizes
from kafkatrigger.consumer.transaction import FencedError, State
from kafkatrigger.kafka.client import TRANSACTION_TIMEOUT
from tests.support.waiting import until

Error = Callable[[], KafkaError]


def generation_over() -> KafkaError:
    return KafkaError(KafkaError.ILLEGAL_GENERATION, "over", False, False, True)


def bad_record() -> KafkaError:
    return KafkaError(KafkaError.INVALID_RECORD, "bad", False, False, True)


def timed_out() -> KafkaError:
    return KafkaError(KafkaError._TIMED_OUT, "no answer", False, True, False)


def fatal() -> KafkaError:
    return KafkaError(KafkaError._FATAL, "no way", True, False, False)


def fenced() -> KafkaError:
    return KafkaError(KafkaError._FENCED, "somebody else", True, False, False)


class FakeBroker:
    """What is committed, by transactions that are made to fail."""

    def __init__(self) -> None:
        self.published: list[bytes | None] = []
        self.offsets: dict[int, tuple[int, str]] = {}
        self.transactions: list[list[bytes | None]] = []
        """What was in each that was committed."""
        self.send_errors: deque[Error] = deque()
        self.commit_errors: deque[tuple[Error, bool]] = deque()
        """Each with whether the commit took place nevertheless."""
        self.abort_errors: deque[Error] = deque()
        self.bad: set[bytes | None] = set()
        self.fails_early = False
        """A bad record is known before the next one is written."""
        self.producers = 0
        self.room = 1000
        self.is_slow = False
        self.hangs: deque[Event] = deque()
        """Each keeps one call that sends offsets until it is set."""
        self.latest: FakeProducer | None = None
        """The only one whose commits count."""
        self.fenced = Event()


class FakeProducer:
    """Of one transactional id."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._records: list[tuple[bytes | None, Any]] = []
        self._offsets: list[TopicPartition] = []
        self._in_client = 0
        broker.producers += 1

    def init_transactions(self, _: float) -> None:
        self._records = []
        self._broker.latest = self

    def begin_transaction(self) -> None:
        if self._has_failed():
            raise KafkaException(bad_record())
        self._records, self._offsets = [], []

    def produce(self, _: str, value: bytes | None, __: bytes | None, **more: Any) -> None:
        if self._has_failed():
            raise KafkaException(KafkaError(KafkaError._STATE))
        if self._in_client >= self._broker.room:
            raise BufferError
        self._in_client += 1
        self._records.append((value, more.get("on_delivery")))

    def _has_failed(self) -> bool:
        return self._broker.fails_early and any(value in self._broker.bad for value, _ in self._records)

    def poll(self, _: float) -> int:
        return 0

    def flush(self, _: float) -> int:
        self._in_client = self._in_client if self._broker.is_slow else 0
        return self._in_client

    def send_offsets_to_transaction(self, offsets: list[TopicPartition], _: object, __: float) -> None:
        if self._broker.hangs:
            self._broker.hangs.popleft().wait()
        if self._broker.send_errors:
            raise KafkaException(self._broker.send_errors.popleft()())
        self._offsets = list(offsets)

    def commit_transaction(self, timeout: float) -> None:
        assert timeout > 0
        if self._broker.latest is not self:
            self._broker.fenced.set()
            raise KafkaException(fenced())
        self._in_client = 0
        values = [value for value, _ in self._records]
        if self._broker.bad & set(values):
            error = bad_record()
            for _, report in self._records:
                if report is not None:
                    report(error, None)
            raise KafkaException(error)
        error_of, takes_place = self._broker.commit_errors.popleft() if self._broker.commit_errors else (None, True)
        if takes_place:
            self._broker.published += values
            self._broker.transactions.append(values)
            self._broker.offsets |= {each.partition: (each.offset, each.metadata) for each in self._offsets}
        if error_of is not None:
            raise KafkaException(error_of())

    def abort_transaction(self, _: float) -> None:
        if self._broker.abort_errors:
            raise KafkaException(self._broker.abort_errors.popleft()())
        self._records, self._in_client = [], 0


class World:
    """An outbox with a source that computes positions as the engine does."""

    def __init__(self) -> None:
        self.broker = FakeBroker()
        self.refused: list[Output] = []
        self.partitions = [Partition("t", number, 0, Origin("Committed"), start(0)) for number in range(2)]
        self.kept: dict[Partition, set[int]] = {each: set() for each in self.partitions}
        self.answers = True
        connections = Connections(lambda _: {}, lambda _: Future(), Limits([], lambda _: Future()))
        callbacks = Callbacks(self._refuse, lambda _: None, lambda _: None)
        self.outbox = ExactlyOnce(connections, callbacks, "group.pod")
        self.outbox._transaction._connect = lambda: FakeProducer(self.broker)
        self.until(lambda: self.outbox._transaction.state is State.READY)

    def _refuse(self, output: Output, _: KafkaError) -> Output | None:
        self.refused.append(output)
        return Output(output.partition, output.source, "dlq", b"letter", None, [], "dead_lettered")

    def respond(self, *offsets: int, of: int = 0) -> None:
        """Answers these messages of a partition, which is read as far."""
        partition = self.partitions[of]
        partition.end = max(partition.end, offsets[-1] + 1)
        records: list[Record] = [(0, offset, 0, 1, b"k", b"v", None) for offset in offsets]
        values = [b"%d:%d" % (of, offset) for offset in offsets]
        self.outbox.respond(Plain("out", [partition], records, values, sum(map(len, values)) + sizes(records)))

    def write(self, offset: int, parts: int) -> None:
        """Answers a message with several records."""
        partition = self.partitions[0]
        partition.end = max(partition.end, offset + 1)
        source: Record = (0, offset, 0, 1, b"k", b"v", None)
        outcomes = [""] * (parts - 1) + ["succeeded"]
        values = [(b"%d.%d" % (offset, part), outcome) for part, outcome in enumerate(outcomes)]
        self.outbox.write(*[Output(partition, source, "out", value, b"k", [], outcome) for value, outcome in values])

    def positions(self) -> Positions:
        still_open = {each: set(self.kept[each]) for each in self.partitions}
        for partition, offset in self.outbox.open_offsets():
            still_open[partition].add(offset)
        return [(each, position(each.end, still_open[each], [], each.restored)) for each in self.partitions]

    def group_metadata(self) -> object:
        return None

    def commit(self, positions: Positions) -> None:
        raise AssertionError(f"offsets go with transactions alone: {positions}")

    def commit_last(self, positions: Positions) -> bool:
        raise AssertionError(f"offsets go with transactions alone: {positions}")

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, str]]:
        if not self.answers:
            raise KafkaException(timed_out())
        return {each: self.broker.offsets.get(each.number, (-1001, "")) for each in partitions}

    def step(self) -> bool:
        self.outbox.pump()
        return self.outbox.commit(self, self.positions)

    def until(self, condition: Callable[[], Any]) -> None:
        def stepped() -> bool:
            self.step()
            return bool(condition())

        until(stepped, 20)

    def settle(self) -> None:
        self.until(lambda: not list(self.outbox.open_offsets()) and not self.outbox.full)

    def is_terminal(self, offset: int, of: int = 0) -> bool:
        """By what the broker would tell a successor."""
        watermark, metadata = self.broker.offsets[of]
        return not decode_metadata(watermark, metadata)[1].is_open(offset, -2 - offset)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(exactly_once, "Producer", lambda _: FakeProducer(FakeBroker()))
    world = World()
    world.outbox._transaction.restart()
    world.until(lambda: world.outbox._transaction.state is State.READY)
    world.broker.producers = 1
    return world


def test_results_and_offsets_go_together(world: World) -> None:
    world.kept[world.partitions[0]] = {1}
    world.respond(0, 2)
    world.respond(0, of=1)
    world.settle()
    assert world.broker.transactions == [[b"0:0", b"0:2", b"1:0"]]
    assert [world.is_terminal(offset) for offset in range(3)] == [True, False, True]
    assert world.is_terminal(0, of=1)
    assert (world.outbox.acknowledged, world.outbox.bytes) == (Counter(succeeded=3), 0)


def test_there_is_no_transaction_while_there_is_nothing_to_say(world: World) -> None:
    world.respond(0)
    world.settle()
    assert world.step()
    assert world.outbox._transaction.state is State.READY
    assert world.step()
    assert world.outbox._transaction.state is State.READY
    partition = world.partitions[0]
    assert partition.commits_done == partition.commits_sent, "whoever waits for one has it"


def test_a_commit_counts_when_it_is_sent_and_when_it_is_done(world: World) -> None:
    world.settle()
    partition = world.partitions[0]
    before = partition.commits_sent
    assert partition.commits_done == before
    world.broker.send_errors += [generation_over]
    world.respond(0)
    assert not world.step()
    assert (partition.commits_sent, partition.commits_done) == (before + 1, before)
    world.settle()
    assert partition.commits_done == partition.commits_sent >= before + 2, "the first was aborted"


@pytest.mark.parametrize("error", [generation_over, timed_out])
def test_what_was_aborted_is_written_again_and_nothing_is_run_again(world: World, error: Error) -> None:
    world.broker.send_errors += [error]
    world.respond(0, 1, 2)
    world.settle()
    assert world.broker.transactions == [[b"0:0", b"0:1", b"0:2"]]


def test_results_of_a_partition_that_was_lost_are_never_committed(world: World) -> None:
    world.respond(0)
    world.respond(0, of=1)
    lost, kept = world.partitions
    lost.revoked = True
    world.partitions = [kept]
    world.outbox.drop_revoked()
    world.partitions.insert(0, lost)
    world.until(lambda: world.broker.transactions)
    assert world.broker.transactions == [[b"1:0"]]
    assert list(world.broker.offsets) == [1]


@pytest.mark.parametrize("takes_place", [True, False])
def test_after_an_unknown_end_the_groups_offsets_tell(world: World, takes_place: bool) -> None:
    world.respond(0)
    world.settle()
    world.answers = False
    world.broker.commit_errors += [(fatal, takes_place)]
    world.respond(1)
    world.until(lambda: world.outbox._is_unknown)
    world.respond(2)
    world.step()
    assert sorted(offset for _, offset in world.outbox.open_offsets()) == [1, 2]
    world.answers = True
    world.settle()
    assert world.broker.published == [b"0:0", b"0:1", b"0:2"]
    assert world.broker.producers == 2
    assert world.outbox.acknowledged == Counter(succeeded=3)


def test_an_abort_that_fails_is_left_to_the_next_producer(world: World) -> None:
    world.broker.send_errors += [generation_over]
    world.broker.abort_errors += [fatal]
    world.respond(0)
    world.settle()
    assert (world.broker.published, world.broker.producers) == ([b"0:0"], 2)


def test_a_commit_that_never_comes_back_is_left_to_the_next_producer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "OVERRUN", 0.2)
    hang = Event()
    world.broker.hangs.append(hang)
    world.respond(0)
    world.settle()
    assert (world.broker.published, world.broker.producers) == ([b"0:0"], 2)
    hang.set()
    assert world.broker.fenced.wait(20), "it comes back, too late"
    world.respond(1)
    world.settle()
    assert world.broker.published == [b"0:0", b"0:1"]


def test_somebody_with_the_same_id_ends_the_process(world: World) -> None:
    world.broker.commit_errors += [(fenced, False)]
    world.respond(0)
    with pytest.raises(FencedError, match="KAFKATRIGGER_POD_UID"):
        world.settle()
    assert world.broker.offsets == {}


def test_a_transaction_that_was_open_for_too_long_is_fenced_by_the_broker_itself(world: World) -> None:
    world.broker.commit_errors += [(fenced, False)]
    world.respond(0)
    world.outbox._transaction._begun = time.monotonic() - TRANSACTION_TIMEOUT
    world.settle()
    assert (world.broker.published, world.broker.producers) == ([b"0:0"], 2)


@pytest.mark.parametrize("fails_early", [False, True])
def test_one_bad_record_is_refused_and_the_others_are_committed_in_order(world: World, fails_early: bool) -> None:
    world.broker.bad = {b"0:5"}
    world.broker.fails_early = fails_early
    world.respond(*range(10))
    world.settle()
    world.broker.published.remove(b"letter")
    assert world.broker.published == [b"0:%d" % n for n in range(10) if n != 5]
    assert [each.value for each in world.refused] == [b"0:5"]
    assert world.outbox.acknowledged == Counter(succeeded=9, dead_lettered=1)


def test_a_message_whose_records_do_not_fit_into_the_client_at_once_is_in_one_transaction(world: World) -> None:
    world.broker.room = 3
    world.broker.is_slow = True
    world.respond(0)
    world.write(1, parts=7)
    world.write(2, parts=2)
    for _ in range(3):
        world.step()
    assert world.broker.transactions in ([], [[b"0:0"]])
    world.broker.is_slow = False
    world.settle()
    for values in world.broker.transactions:
        messages = {value.split(b".")[0] for value in values if value and b"." in value}
        assert all(b"1.%d" % part in values for part in range(7)) == (b"1" in messages)
    assert len(world.broker.published) == 10


@pytest.mark.parametrize("fails_early", [False, True])
@pytest.mark.parametrize("bad", [b"2.0", b"2.1", b"2.2"])
def test_of_a_message_with_a_bad_record_only_its_dead_letter_is_committed(
    world: World, bad: bytes, fails_early: bool
) -> None:
    world.broker.bad = {bad}
    world.broker.fails_early = fails_early
    world.respond(0)
    world.write(1, parts=2)
    world.write(2, parts=3)
    world.respond(3)
    world.settle()
    assert Counter(world.broker.published) == Counter([b"0:0", b"0:3", b"1.0", b"1.1", b"letter"])
    assert [each.source[1] for each in world.refused] == [2]
    assert world.outbox.acknowledged == Counter(succeeded=3, dead_lettered=1)
    assert world.outbox.bytes == 0


@pytest.mark.parametrize("bad", [b"0:0", b"1.0", b"1.2", b"1.6", b"2.1"])
def test_that_holds_where_its_records_do_not_fit_into_the_client_at_once(world: World, bad: bytes) -> None:
    world.broker.room = 3
    world.broker.is_slow = world.broker.fails_early = True
    world.respond(0)
    world.write(1, parts=7)
    world.write(2, parts=2)
    for _ in range(3):
        world.step()
    world.broker.bad = {bad}
    world.broker.is_slow = False
    world.settle()
    good = [[b"0:0"], [b"1.%d" % part for part in range(7)], [b"2.0", b"2.1"]]
    expected = [value for values in good if bad not in values for value in values]
    assert Counter(world.broker.published) == Counter([*expected, b"letter"])
    assert [each.source[1] for each in world.refused] == [int(bad[:1])]
    for values in world.broker.transactions:
        assert sum(value in good[1] for value in values) in (0, 7)


@pytest.mark.parametrize("is_slow", [False, True])
def test_results_that_the_metadata_cannot_name_wait_and_follow(world: World, is_slow: bool) -> None:
    """Also where the client has no room for all of them at once."""
    partition = world.partitions[0]
    world.kept[partition] = set(range(0, 20_000, 2))
    world.respond(*range(1, 20_000, 2))
    world.until(lambda: world.outbox._outside and world.broker.published and not world.outbox.unacknowledged)
    published = {int((value or b"").split(b":")[1]) for value in world.broker.published}
    assert 0 < len(published) < 10_000
    assert published == set(range(1, 2 * len(published), 2)), "the lowest come first"
    assert [offset for offset in range(20_000) if world.is_terminal(offset)] == sorted(published)
    world.kept[partition] = set()
    world.broker.is_slow, world.broker.room = is_slow, 6_000
    world.respond(*range(0, 20_000, 2))
    world.settle()
    assert Counter(world.broker.published) == Counter(b"0:%d" % n for n in range(20_000))
    assert world.outbox.bytes == 0


def test_results_outside_wait_for_what_is_written_in_parts(world: World) -> None:
    partition = world.partitions[0]
    partition.end = 6
    *parts, last = (
        Output(partition, (0, offset, 0, 1, b"k", b"v", None), "out", b"0:%d" % offset, b"k", [], "succeeded")
        for offset in range(6)
    )
    world.outbox._outside[partition] = [last]
    world.outbox._groups.extend([each] for each in parts)
    world.settle()
    assert world.broker.published == [b"0:%d" % offset for offset in range(6)]


def test_topics_to_which_a_message_goes_together_are_not_told_apart() -> None:
    def outputs(offset: int, *topics: str) -> list[Output]:
        source: Record = (0, offset, 0, 1, b"k", b"v", None)
        of = Partition("t", 0, 0, Origin(""), start(0))
        found = [Output(of, source, topic, b"v", b"k", [], "") for topic in topics]
        tie(found)
        return found

    letter, first, second, third = outputs(0, "dlq"), outputs(1, "a", "b"), outputs(2, "b"), outputs(3, "b", "c")
    assert _apart([*letter, *first, *second, *third]) == [letter, [*first, *second, *third]]
