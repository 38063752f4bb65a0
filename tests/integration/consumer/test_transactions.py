"""The outbox of ExactlyOnce against a real broker: what a reader of committed records sees is each result once."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from kafkatrigger.consumer.exactly_once import ExactlyOnce
from kafkatrigger.consumer.outbox import POD_UID
from kafkatrigger.consumer.transaction import FencedError, State
from tests.cluster.broker import HostBroker
from tests.cluster.settings import REPOSITORY
from tests.support.delivery import Delivery, config
from tests.support.topics import Topics
from tests.support.waiting import until

PARTITIONS = 4


@pytest.fixture
def source(topics: Topics) -> str:
    """A topic with 10,000 messages, and those for responses and dead letters."""
    return prepared(topics)


def prepared(topics: Topics, count: int = 10_000) -> str:
    name = topics.create(PARTITIONS)
    topics.create_named(f"{name}.out", PARTITIONS)
    topics.create_named(f"{name}.dlq", PARTITIONS)
    topics.produce(name, numbered(count))
    return name


def numbered(count: int, start: int = 0) -> list[tuple[bytes, bytes]]:
    return [(b"k%d" % (n % 50), b"%d" % n) for n in range(start, start + count)]


@pytest.fixture
def deliveries() -> Iterator[list[Delivery]]:
    """Those to close in the end."""
    started: list[Delivery] = []
    yield started
    for each in started:
        each.close()


def outbox(delivery: Delivery) -> ExactlyOnce:
    assert isinstance(delivery.outbox, ExactlyOnce)
    return delivery.outbox


def outside(delivery: Delivery) -> int:
    """Results that wait outside of transactions."""
    return sum(map(len, outbox(delivery)._outside.values()))


def assert_each_once(topics: Topics, topic: str, count: int) -> None:
    """Each result once, and per key in order."""
    messages = topics.read(f"{topic}.out", count)
    assert Counter(int(message.value()) for message in messages) == Counter(range(count))
    by_key: dict[bytes, list[int]] = {}
    for message in messages:
        by_key.setdefault(message.key(), []).append(int(message.value()))
    assert all(found == sorted(found) for found in by_key.values())


def test_results_and_offsets_are_committed_together(
    broker: HostBroker, topics: Topics, source: str, deliveries: list[Delivery]
) -> None:
    delivery = Delivery(config(broker, source, "ExactlyOnce"))
    deliveries.append(delivery)
    delivery.until(lambda: delivery.answered == 10_000)
    delivery.settle()
    assert_each_once(topics, source, 10_000)
    committed = topics.committed(config(broker, source, "ExactlyOnce").group_id, source)
    assert sum(committed.values()) == 10_000
    assert all(each.commits_done == each.commits_sent > 0 for each in delivery.partitions.values())
    assert delivery.outbox.acknowledged == Counter(succeeded=10_000)
    assert delivery.outbox.bytes == 0


def test_a_generation_that_is_over_aborts_and_runs_nothing_again(
    broker: HostBroker, topics: Topics, source: str, deliveries: list[Delivery]
) -> None:
    first = Delivery(config(broker, source, "ExactlyOnce"))
    deliveries.append(first)
    first.until(lambda: first.answered > 2000)
    first.spoil_metadata()
    second = Delivery(config(broker, source, "ExactlyOnce"))
    deliveries.append(second)

    def both() -> bool:
        first.step()
        second.step()
        return bool(first.partitions and second.partitions)

    until(both, 60, "a rebalance")
    topics.produce(source, numbered(10_000, start=10_000))
    until(lambda: both() and outbox(first)._transaction.aborts > 0, 30, "an aborted transaction")
    first.mend_metadata()
    counts = first.outbox.acknowledged, second.outbox.acknowledged
    until(lambda: both() and sum(count.total() for count in counts) >= 20_000, 60, "the last commit")
    assert_each_once(topics, source, 20_000)
    assert first.answered + second.answered == 20_000, "nothing was run again"


def test_a_process_that_is_killed_with_an_open_transaction_leaves_each_result_once(
    broker: HostBroker, topics: Topics, tmp_path: Path, deliveries: list[Delivery]
) -> None:
    source = prepared(topics, 30_000)
    settings = config(broker, source, "ExactlyOnce")
    path = tmp_path / "config.json"
    path.write_bytes(msgspec.json.encode(settings))
    command = [sys.executable, "-m", "tests.support.delivery", str(path)]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}/operator:{REPOSITORY}", POD_UID: "first"}
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment)
    try:
        until(lambda: topics.count(f"{source}.out") > 3000, 60, "the first results")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    successor = Delivery(settings)
    deliveries.append(successor)
    end = len(range(30_000))
    successor.until(
        lambda: sum(at.watermark for each in successor.partitions.values() if (at := each.committed)) == end, 90
    )
    assert_each_once(topics, source, 30_000)


def test_a_second_producer_of_the_same_id_ends_the_first_which_commits_nothing_more(
    broker: HostBroker, topics: Topics, source: str
) -> None:
    delivery = Delivery(config(broker, source, "ExactlyOnce"))  # never closed: that would commit
    delivery.until(lambda: outbox(delivery)._transaction.state is State.OPEN and delivery.answered)
    other = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": outbox(delivery)._transaction.id})
    other.init_transactions(30)
    before = topics.committed(config(broker, source, "ExactlyOnce").group_id, source)
    with pytest.raises(FencedError, match="KAFKATRIGGER_POD_UID"):
        delivery.until(lambda: False, 30)
    assert topics.committed(config(broker, source, "ExactlyOnce").group_id, source) == before


class HangsAtTheEnd:
    """In the place of a producer: the broker hangs from the moment at which a commit is to be decided."""

    def __init__(self, producer: Producer, broker: HostBroker) -> None:
        self._producer, self._broker = producer, broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def commit_transaction(self, timeout: float) -> None:
        assert self._producer.flush(30) == 0
        self._broker.freeze()
        self._producer.commit_transaction(timeout)


@pytest.mark.parametrize("is_given_up", [False, True], ids=["answered late", "not answered"])
def test_an_unknown_end_of_a_transaction_leaves_each_result_once(own_broker: HostBroker, is_given_up: bool) -> None:
    topics = Topics(own_broker.bootstrap)
    source = prepared(topics)
    delivery = Delivery(config(own_broker, source, "ExactlyOnce"), session_ms=45_000)
    transaction = outbox(delivery)._transaction
    delivery.until(lambda: delivery.outbox.acknowledged.total() == 10_000)
    transaction.producer = HangsAtTheEnd(transaction.producer, own_broker)
    topics.produce(source, numbered(2000, start=10_000))
    try:
        delivery.until(lambda: transaction.state is State.COMMITTING)
        if is_given_up:
            delivery.until(lambda: outbox(delivery)._is_unknown)
        else:
            deadline = time.monotonic() + 2
            delivery.until(lambda: time.monotonic() > deadline)
        transaction.producer = getattr(transaction.producer, "_producer", transaction.producer)
    finally:
        own_broker.thaw()
    delivery.until(lambda: delivery.outbox.acknowledged.total() >= 12_000, 90)
    delivery.close()
    assert delivery.answered == 12_000, "nothing was run again"
    assert_each_once(topics, source, 12_000)


def test_a_broker_that_hangs_holds_up_no_turn_of_the_loop(own_broker: HostBroker) -> None:
    topics = Topics(own_broker.bootstrap)
    source = prepared(topics)
    delivery = Delivery(config(own_broker, source, "ExactlyOnce"), session_ms=45_000)
    delivery.until(lambda: outbox(delivery)._transaction.state is State.OPEN)
    own_broker.freeze()
    longest = 0.0
    try:
        deadline = time.monotonic() + 14  # longer than a transaction may be open
        while (started := time.monotonic()) < deadline:
            delivery.step()
            longest = max(longest, time.monotonic() - started)
    finally:
        own_broker.thaw()
    delivery.until(lambda: delivery.outbox.acknowledged.total() >= 10_000, 90)
    delivery.close()
    assert_each_once(topics, source, 10_000)
    assert longest < 5, "a member that does not poll is expelled"


def test_results_that_the_metadata_has_no_room_for_wait_outside(
    broker: HostBroker, topics: Topics, deliveries: list[Delivery]
) -> None:
    """Every other message stays open: as many gaps as there can be."""
    source = prepared(topics, count := 24_000)
    delivery = Delivery(config(broker, source, "ExactlyOnce"), lambda m: None if m.offset() % 2 else m.value())
    deliveries.append(delivery)
    delivery.until(lambda: sum(each.end for each in delivery.partitions.values()) == count)
    delivery.until(lambda: not delivery.outbox.full and not delivery.outbox.unacknowledged)
    assert outbox(delivery)._outside
    delivery.until(lambda: delivery.outbox.acknowledged.total() == count // 2 - outside(delivery))
    published = {int(message.value()) for message in topics.read(f"{source}.out", delivery.outbox.acknowledged.total())}
    for message in topics.read(source, count):
        said = delivery.partitions[source, message.partition()].committed
        assert said is not None
        is_open = said.is_open(message.offset(), -2 - message.offset())
        assert is_open == (int(message.value()) not in published), "a restart would run just what is not published"
    for partition in delivery.partitions.values():
        while delivery.open[partition]:
            delivery.finish(partition, 100)
            delivery.step()
    delivery.settle()
    assert Counter(int(each.value()) for each in topics.read(f"{source}.out", count)) == Counter(range(count))
