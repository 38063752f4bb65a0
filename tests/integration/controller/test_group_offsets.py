"""What is asked about a group, of a real broker."""

import uuid

from confluent_kafka import Consumer, TopicPartition

from kafkatrigger.api.moves import Group
from kafkatrigger.kafka.brokers import Brokers
from kafkatrigger.kafka.group_offsets import delete, retention, servers
from tests.cluster.broker import HostBroker
from tests.support.topics import Topics
from tests.support.waiting import until


def committed_group(broker: HostBroker, topic: str) -> str:
    """A group that committed something and has no members."""
    group = f"g-{uuid.uuid4().hex[:8]}"
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    consumer.close()
    return group


def test_the_brokers_say_how_long_they_keep_offsets(broker: HostBroker) -> None:
    assert retention(Brokers(), servers("n", [broker.bootstrap])) == 7 * 24 * 3600


def test_brokers_that_do_not_answer_say_nothing() -> None:
    assert retention(Brokers(timeout=1.0), servers("n", ["127.0.0.1:1"])) is None
    assert delete(Brokers(timeout=1.0), Group(("127.0.0.1:1",), "g"))


def test_a_group_is_deleted_once_it_is_empty(broker: HostBroker) -> None:
    topics = Topics(broker.bootstrap)
    topic = topics.create()
    question = Group((broker.bootstrap,), committed_group(broker, topic))
    brokers = Brokers()
    member = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": question.name})
    member.subscribe([topic])
    until(lambda: member.poll(0.1) is None and member.assignment(), 30, "the member")
    assert delete(brokers, question) == "it still has members"
    assert topics.committed(question.name, topic) == {0: 1}
    member.close()
    assert delete(brokers, question) == ""
    assert topics.committed(question.name, topic) == {}
    assert delete(brokers, question) == ""
