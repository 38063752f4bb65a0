"""The outbox against a real broker: topics that refuse records, and records that topics refuse. Both guarantees."""

from collections import Counter
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, Message, Producer

from kafkatrigger.consumer.offsets import Origin, start
from kafkatrigger.consumer.output import Output
from kafkatrigger.consumer.partition import Partition
from tests.cluster.broker import STRICT, HostBroker
from tests.support.delivery import Delivery, config
from tests.support.topics import Topics

PARTITIONS = 2
COUNT = 5000
GUARANTEES = pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])


@pytest.fixture
def deliveries() -> Iterator[list[Delivery]]:
    """Those to close in the end."""
    started: list[Delivery] = []
    yield started
    for each in started:
        each.close()


def prepared(topics: Topics, **responses: str) -> str:
    """A topic with messages, and those for responses and dead letters."""
    name = topics.create(PARTITIONS)
    topics.create_named(f"{name}.out", PARTITIONS, **responses)
    topics.create_named(f"{name}.dlq", PARTITIONS)
    topics.produce(name, numbered(0, COUNT))
    return name


def numbered(start: int, end: int) -> list[tuple[bytes, bytes]]:
    return [(b"k%d" % (n % 50), b"%d" % n) for n in range(start, end)]


def numbers(topics: Topics, topic: str, count: int) -> Counter[int]:
    return Counter(int(message.value()) for message in topics.read(topic, count))


def is_odd_one(message: Message) -> bool:
    return int(message.value()) % 1000 == 7


def alone(value: int) -> Output:
    """A record of a topic `t` with a value of so many bytes."""
    partition = Partition("t", 0, 0, Origin(""), start(0))
    return Output(partition, (0, 0, 0, 1, b"key", None, None), "t", b"x" * value, b"key", [("h", b"1")], "succeeded")


def test_the_size_of_a_record_is_what_the_broker_takes_it_for(broker: HostBroker, topics: Topics) -> None:
    limit = 100_000
    topic = topics.create(1, max_message_bytes=str(limit))
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
    fitting = limit - alone(limit // 2).wire_size + limit // 2
    assert alone(fitting).wire_size == limit
    errors: list[KafkaError | None] = []
    for size in (fitting, fitting + 1):
        output = alone(size)
        producer.produce(
            topic, output.value, output.key, headers=output.headers, on_delivery=lambda e, _: errors.append(e)
        )
        assert producer.flush(30) == 0
    assert errors[0] is None
    assert errors[1] is not None
    assert errors[1].code() == KafkaError.MSG_SIZE_TOO_LARGE


@GUARANTEES
@pytest.mark.parametrize("may_ask", [True, False], ids=["known limit", "unknown limit"])
def test_an_oversize_record_costs_no_innocent_one(
    broker: HostBroker, topics: Topics, deliveries: list[Delivery], guarantee: str, may_ask: bool
) -> None:
    source = prepared(topics, max_message_bytes="50000")

    def answer(message: Message) -> bytes:
        return b"x" * 60_000 if is_odd_one(message) else message.value()

    delivery = Delivery(config(broker, source, guarantee), answer)
    deliveries.append(delivery)
    limits = delivery.outbox._limits
    if not may_ask:
        limits._due.clear()  # as without the right to describe the topic
    delivery.until(lambda: delivery.answered == COUNT)
    delivery.settle()
    assert numbers(topics, f"{source}.out", COUNT - 5) == Counter(n for n in range(COUNT) if n % 1000 != 7)
    assert len(topics.read(f"{source}.dlq", 5)) == 5
    assert [len(each.value or b"") for each in delivery.refused] == [60_000] * 5
    assert delivery.outbox.acknowledged == Counter(succeeded=COUNT - 5, dead_lettered=5)
    assert sum(topics.committed(config(broker, source, guarantee).group_id, source).values()) == COUNT


@GUARANTEES
@pytest.mark.parametrize("may_ask", [True, False], ids=["known limit", "unknown limit"])
def test_a_message_with_one_oversize_response_of_several_is_a_dead_letter_alone(
    broker: HostBroker, topics: Topics, deliveries: list[Delivery], guarantee: str, may_ask: bool
) -> None:
    """What was taken before the broker refused the others cannot be taken back where there are no transactions."""
    source = prepared(topics, max_message_bytes="50000")
    delivery = Delivery(config(broker, source, guarantee), lambda m: None if is_odd_one(m) else m.value())
    deliveries.append(delivery)
    if not may_ask:
        delivery.outbox._limits._due.clear()
    delivery.until(lambda: delivery.answered == COUNT - 5)
    for partition, kept in list(delivery.open.items()):
        for record, _ in kept:
            values = [(b"1000000", ""), (b"x" * 60_000, ""), (b"1000001", "succeeded")]
            outputs = [
                Output(partition, record, f"{source}.out", value, record[4], [], outcome) for value, outcome in values
            ]
            delivery.outbox.write(*outputs)
        kept.clear()
    delivery.settle()
    answers = numbers(topics, f"{source}.out", COUNT - 5)
    if may_ask or guarantee == "ExactlyOnce":
        assert answers == Counter(n for n in range(COUNT) if n % 1000 != 7)
    assert len(topics.read(f"{source}.dlq", 5)) == len(delivery.refused) == 5
    assert delivery.outbox.acknowledged["dead_lettered"] == 5
    assert sum(topics.committed(config(broker, source, guarantee).group_id, source).values()) == COUNT


@GUARANTEES
def test_batches_are_no_larger_than_the_topic_takes(
    broker: HostBroker, topics: Topics, deliveries: list[Delivery], guarantee: str
) -> None:
    """Each record is small, all of them together are not: the client would send them as one batch."""
    source = prepared(topics, max_message_bytes="2000")
    delivery = Delivery(config(broker, source, guarantee))
    deliveries.append(delivery)
    delivery.until(lambda: delivery.answered == COUNT)
    delivery.settle()
    assert numbers(topics, f"{source}.out", COUNT) == Counter(range(COUNT))
    assert delivery.refused == []


@GUARANTEES
def test_a_topic_that_is_deleted_while_it_is_written_to_loses_nothing_that_was_not_in_it(
    broker: HostBroker, topics: Topics, deliveries: list[Delivery], guarantee: str
) -> None:
    source = prepared(topics)
    delivery = Delivery(config(broker, source, guarantee))
    deliveries.append(delivery)
    delivery.until(lambda: delivery.outbox.acknowledged.total() == COUNT)
    topics.delete(f"{source}.out")
    topics.produce(source, numbered(COUNT, 2 * COUNT))
    delivery.until(
        lambda: "create it" in delivery.outbox.problems.get(f"{source}.out", ""), 60, "the topic is a problem"
    )
    held = delivery.held[0]
    delivery.outbox.write(Output(held.partition, held.source, f"{source}.dlq", b"letter", None, [], ""))
    delivery.until(lambda: topics.count(f"{source}.dlq") >= 1, 30, "what goes to another topic is written")
    topics.create_named(f"{source}.out", PARTITIONS)
    delivery.until(lambda: delivery.outbox.acknowledged.total() == 2 * COUNT, 90, "the topic is written to again")
    delivery.settle()
    assert numbers(topics, f"{source}.out", COUNT) == Counter(range(COUNT, 2 * COUNT))
    assert {id(each) for each in delivery.settled} == {id(each) for each in delivery.held}
    assert (delivery.outbox.problems, delivery.refused) == ({}, [])


@pytest.fixture(scope="module")
def strict_broker() -> Iterator[HostBroker]:
    """A broker that asks who may do what."""
    with HostBroker(properties=STRICT) as running:
        yield running


@GUARANTEES
def test_a_topic_that_may_not_be_written_to_holds_up_no_other(strict_broker: HostBroker, guarantee: str) -> None:
    topics = Topics(strict_broker.bootstrap)
    source = prepared(topics)
    topic = f"{source}.out"
    topics.forbid_writing(topic)
    delivery = Delivery(config(strict_broker, source, guarantee))
    delivery.until(lambda: topic in delivery.outbox.problems, 60, "the topic is a problem")
    assert "let the trigger's user write to it" in delivery.outbox.problems[topic]
    held = delivery.held[0]
    for number in range(3):
        delivery.outbox.write(Output(held.partition, held.source, f"{source}.dlq", b"%d" % number, None, [], ""))
        delivery.until(lambda: topics.count(f"{source}.dlq") > number, 30, "another topic")  # noqa: B023
    assert delivery.outbox.acknowledged.total() == 0
    assert delivery.outbox.bytes > 0
    topics.allow_writing(topic)
    delivery.until(lambda: delivery.outbox.acknowledged.total() == COUNT, 90, "the topic is written to again")
    delivery.settle()
    assert numbers(topics, topic, COUNT) == Counter(range(COUNT))
    assert delivery.outbox.problems == {}
    assert {id(each) for each in delivery.settled} == {id(each) for each in delivery.held}
    delivery.close()


def test_transactions_that_are_not_allowed_are_a_problem_until_they_are(strict_broker: HostBroker) -> None:
    topics = Topics(strict_broker.bootstrap)
    source = prepared(topics)
    settings = config(strict_broker, source, "ExactlyOnce")
    topics.forbid_transactions(settings.group_id)
    delivery = Delivery(settings)
    delivery.until(lambda: settings.group_id in delivery.outbox.problems.get("", ""), 30, "a problem")
    assert "let the trigger's user write and describe transactional ids" in delivery.outbox.problems[""]
    topics.allow_transactions(settings.group_id)
    delivery.until(lambda: delivery.outbox.acknowledged.total() == COUNT, 60, "transactions")
    assert delivery.outbox.problems == {}
    delivery.close()
    assert numbers(topics, f"{source}.out", COUNT) == Counter(range(COUNT))
