"""The check of brokers, against a real one."""

import time

import pytest

from kafkatrigger.kafka.brokers import Brokers, target
from tests.cluster.broker import HostBroker
from tests.support.topics import Topics


def test_well(broker: HostBroker) -> None:
    topic = Topics(broker.bootstrap).create()
    assert Brokers().check(target("n", [broker.bootstrap], [topic])).healthy


def test_a_missing_topic_is_named_and_not_created(broker: HostBroker) -> None:
    topic = Topics(broker.bootstrap).create()
    brokers, question = Brokers(), target("n", [broker.bootstrap], [topic, "not-there"])
    for _ in range(2):
        finding = brokers.check(question)
        assert finding.missing == ("not-there",)
        assert not finding.unreachable


def test_a_topic_that_appears_is_seen(broker: HostBroker) -> None:
    topics, brokers = Topics(broker.bootstrap), Brokers()
    later = topics.create()
    question = target("n", [broker.bootstrap], [later, f"{later}-2"])
    assert brokers.check(question).missing
    topics.create_named(f"{later}-2")
    assert brokers.check(question).healthy


def test_a_pattern_names_no_topic_that_has_to_be_there(broker: HostBroker) -> None:
    topics, brokers = Topics(broker.bootstrap), Brokers()
    prefix = topics.create()
    question = target("n", [broker.bootstrap], [], f"{prefix}\\.[ab]")
    for count, topic in enumerate((f"{prefix}.a", f"{prefix}.b", f"{prefix}.c")):
        finding = brokers.check(question)
        assert (finding.healthy, finding.matching) == (True, count)
        topics.create_named(topic)
    assert brokers.check(question).matching == 2


@pytest.mark.parametrize("of", [(["t"], ""), ([], "t.*")], ids=["topics", "pattern"])
def test_nobody_answers(of: tuple[list[str], str]) -> None:
    started = time.monotonic()
    finding = Brokers(timeout=1.0).check(target("n", ["127.0.0.1:1"], *of))
    assert time.monotonic() - started < 3
    assert "127.0.0.1:1" in finding.unreachable


def test_a_name_that_does_not_resolve_is_told() -> None:
    finding = Brokers(timeout=1.0).check(target("n", ["broker.invalid:9092"], ["t"]))
    assert "resolve" in finding.unreachable


def test_clients_are_shared_bounded_and_closed(broker: HostBroker) -> None:
    topic = Topics(broker.bootstrap).create()
    brokers = Brokers(timeout=0.2, limit=2, idle=0.0)
    for _ in range(3):
        brokers.check(target("n", [broker.bootstrap], [topic]))
    assert len(brokers) == 1
    for port in (1, 2, 3, 4):
        brokers.check(target("n", [f"127.0.0.1:{port}"], ["t"]))
        assert len(brokers) <= 2
    brokers.close_idle()
    assert len(brokers) == 0
