"""What the operator commits for a replay is where consumers start, with nothing of what was known before."""

import pytest

from kafkatrigger.api.moves import Answer, Apply, Check, Errand, Follow, Group, Resolve, Wish
from kafkatrigger.kafka import replay
from kafkatrigger.kafka.admin import Admin
from kafkatrigger.kafka.brokers import group_of
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, numbered, numbers, spec
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until


def answered(broker: HostBroker, errand: Errand) -> Answer:
    return replay.answer(Admin({"bootstrap.servers": broker.bootstrap}), errand)


def a_group(broker: HostBroker, source: str) -> Group:
    """Of a broker that answers for it: one that nobody asked before makes the topic of offsets first."""
    group = Group((broker.bootstrap,), f"g.{source}")
    until(lambda: answered(broker, Check(group, Wish((source,), "latest"))).moves, 60, "an answer")
    return group


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_messages_run_again_from_there(broker: HostBroker, topics: Topics, guarantee: str) -> None:
    source = topics.create(1)
    topics.produce(source, numbered(20))
    trigger = spec(broker, source, source={"groupId": f"g.{source}"}, delivery={"guarantee": guarantee})
    with Pod(trigger) as pod:
        assert sorted(numbers(topics.read(f"{source}.out", 20))) == list(range(20))
        group, wish = group_of(pod.config), Wish((source,), "", ((source, 0, 5),))
        assert "has 1 members" in answered(broker, Resolve(group, wish)).waiting
        (checked,) = answered(broker, Check(group, wish)).moves
        until(lambda: (topics.committed(group.name, source) or {}).get(0) == checked.end, 30, "the last commit")
        refused = answered(broker, Apply(group, "Replay:early", (checked,)))
        assert (refused.moved, "has 1 members" in refused.waiting) == (False, True)
        pod.stop()
    moves = answered(broker, Resolve(group, wish)).moves
    assert answered(broker, Apply(group, "Replay:one", moves)).moved
    assert answered(broker, Apply(group, "Replay:one", moves)).moved
    assert [each.committed for each in answered(broker, Follow(group, moves)).moves] == [5]
    with Pod(trigger) as pod:
        again = numbers(topics.read(f"{source}.out", 35, 90))
        assert sorted(again[20:]) == list(range(5, 20))
        assert {each.started for each in pod.status_now().partitions} == {"Replay:one"}
        pod.wait(lambda now: now.partitions and now.partitions[0].committed == checked.end)
        pod.stop()


def test_a_blocked_key_is_forgotten(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.produce(source, [(b"a", action("permanent", n=0)), (b"b", action("echo", n=1))])
    trigger = spec(broker, source, source={"groupId": f"g.{source}"}, delivery={"onFailure": "Block"})
    with Pod(trigger) as pod:
        pod.wait_ready()
        until(pod.blocked, 60, "the blocked key")
        pod.wait(lambda now: now.outcomes.get("succeeded") == 1)
        group = group_of(pod.config)
        pod.stop()
    moves = answered(broker, Resolve(group, Wish((source,), "latest"))).moves
    assert [(move.committed, move.start, move.parked) for move in moves] == [(0, 2, (0,))]
    assert answered(broker, Apply(group, "Replay:one", moves)).moved
    with Pod(trigger) as pod:
        pod.wait_ready()
        assert pod.blocked() == []
        pod.stop()


def test_offsets_of_another_log_are_not_applied(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.produce(source, numbered(3))
    group = a_group(broker, source)
    moves = answered(broker, Resolve(group, Wish((source,), "latest"))).moves
    topics.delete(source)
    topics.create_named(source, 1)
    assert "made anew" in until(lambda: answered(broker, Apply(group, "Replay:one", moves)).refused, 30)


def test_times(broker: HostBroker, topics: Topics) -> None:
    source, base = topics.create(2), 1_760_000_000_000
    for minute in range(5):
        topics.produce(source, [(b"k", b"{}")], partition=0, timestamp=base + minute * 60_000)
    group = a_group(broker, source)

    def starts(start: str) -> list[int]:
        return [move.start for move in answered(broker, Check(group, Wish((source,), start))).moves]

    assert starts(str(base + 2 * 60_000)) == [2, 0]
    assert starts("2025-10-09T08:55:19.999Z") == [2, 0]
    assert starts("2025-10-09T08:55:20.001Z") == [3, 0]
    assert starts("2100-01-01T00:00:00Z") == [5, 0]
    assert (starts("earliest"), starts("latest")) == ([0, 0], [5, 0])
    topics.delete_before(source, 0, 3)
    assert (starts("earliest"), starts(str(base))) == ([3, 0], [3, 0])
    refused = answered(broker, Check(group, Wish((source,), "", ((source, 0, 2),)))).refused
    assert "goes from 3 to 5, and has no offset 2" in refused
    by_pattern = Wish((), "latest", pattern=f"{source[:-1]}[a-f0-9]")
    assert [move.start for move in answered(broker, Check(group, by_pattern)).moves] == [5, 0]
    assert "no partition to move" in answered(broker, Check(group, Wish((), "latest", pattern="nothing"))).refused
    assert "there is no topic nowhere" in answered(broker, Check(group, Wish(("nowhere",), "latest"))).refused
