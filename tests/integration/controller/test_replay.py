"""A replay from the spec to the group's offsets, with a real API server and a real broker; a consumer of the test is the pod."""

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from kafkatrigger.api import commit_metadata
from kafkatrigger.api.commit_metadata import Metadata
from tests.cluster.broker import HostBroker
from tests.integration.controller.world import PATIENCE, World
from tests.support.kubernetes import DEPLOYMENTS, Body
from tests.support.topics import Topics
from tests.support.waiting import until

RETRYING, BLOCKED = (7, 1, 4, 2, 0), (8, 3, 0, 5, 1)
"""Parked lanes: lane, distance from the watermark, bound minus until, attempts, state."""


class Group:
    """The trigger's group, as its pods use it."""

    def __init__(self, broker: HostBroker, name: str, topic: str) -> None:
        self._settings = {"bootstrap.servers": broker.bootstrap, "group.id": name, "enable.auto.commit": False}
        self.name, self.topic = name, topic
        self._admin, self._topics = AdminClient({"bootstrap.servers": broker.bootstrap}), Topics(broker.bootstrap)
        self._members: list[Consumer] = []

    def commit(self, *offsets: int, metadata: Metadata | None = None) -> None:
        """Offsets of the partitions from 0 on."""
        text = commit_metadata.dump(metadata or Metadata("InitialOffsetResetPolicy"))
        at = [TopicPartition(self.topic, number, offset, text) for number, offset in enumerate(offsets)]

        def commits() -> bool:
            """A broker that has just begun may refuse the first."""
            answers = self._admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(self.name, at)])
            return all(each.error is None for each in answers[self.name].result().topic_partitions)

        until(commits, 30, "the commit")

    def join(self) -> None:
        """Somebody is in the group from now on."""
        member = Consumer({**self._settings, "auto.offset.reset": "error", "group.protocol": "consumer"})
        member.subscribe([self.topic])
        until(lambda: member.poll(0.1) is not None or self._topics.members(self.name), 30, "a member")
        self._members.append(member)

    def leave(self) -> None:
        while self._members:
            self._members.pop().close()

    @property
    def committed(self) -> dict[int, int]:
        return self._topics.committed(self.name, self.topic)

    @property
    def reasons(self) -> dict[int, str]:
        found = self._topics.committed_with_metadata(self.name, self.topic)
        return {number: commit_metadata.load(text).reason for number, (_, text) in found.items()}  # type: ignore[union-attr]


@pytest.fixture
def group(connected_world: World, broker: HostBroker) -> Iterator[Group]:
    """A trigger's group that is somewhere in a topic with ten messages in each of two partitions, and one that is parked."""
    topics = Topics(broker.bootstrap)
    topic = topics.create(2)
    for partition in (0, 1):
        topics.produce(topic, [(b"k", b"{}")] * 10, partition=partition)
    here = Group(broker, f"test.{connected_world.namespace}.rul", topic)
    here.commit(3, 3, metadata=Metadata("InitialOffsetResetPolicy", b"", 7, [], [list(RETRYING), list(BLOCKED)]))
    yield here
    here.leave()


def apply(world: World, group: Group, replay: Body | None = None, **source: str) -> None:
    spec: dict[str, Any] = {"replay": replay} if replay else {}
    world.apply(source={"topics": [group.topic], **source}, **spec)


def status(world: World) -> Body:
    found: Body = world.trigger().get("status", {}).get("replay", {})
    return found


def wait_phase(world: World, nonce: str, phase: str) -> Body:
    def reached() -> Body | None:
        now = status(world)
        return now if (now.get("nonce"), now.get("phase")) == (nonce, phase) else None

    try:
        return until(reached, PATIENCE) or {}
    except AssertionError:
        raise AssertionError(f"{nonce} never was {phase}: {status(world)} {world.conditions()}") from None


def test_from_the_nonce_to_the_end(connected_world: World, group: Group) -> None:
    world = connected_world
    apply(world, group)
    world.wait_replicas(1)
    group.join()
    apply(world, group, {"nonce": "one", "from": "earliest", "partitions": {group.topic: {"1": 5}}})
    world.wait_replicas(0)
    world.wait_condition("Ready", "False", "Replaying")
    until(lambda: "has 1 members" in world.conditions()["Replaying"]["message"], PATIENCE, "who is in the group")
    assert group.committed == {0: 3, 1: 3}
    assert status(world)["phase"] == "Stopping"
    group.leave()
    now = wait_phase(world, "one", "CatchingUp")
    assert now["handledNonce"] == "one"
    assert now["partitions"] == {group.topic: {"0": {"from": 0, "to": 10}, "1": {"from": 5, "to": 10}}}
    assert now["dropped"] == {"count": 4, "messages": [f"{group.topic}-{n}-{at}" for n in (0, 1) for at in (4, 6)]}
    assert (group.committed, set(group.reasons.values())) == ({0: 0, 1: 5}, {"Replay:one"})
    world.wait_replicas(1)
    world.wait_event("Normal", "OffsetsMoved")
    group.commit(5, 10)
    until(lambda: ", 66 %" in world.conditions()["Replaying"]["message"], PATIENCE, "the share")
    group.commit(10, 10)
    wait_phase(world, "one", "Done")
    world.wait_gone("Replaying")
    world.wait_event("Normal", "ReplayFinished")
    apply(world, group)
    apply(world, group, {"nonce": "one", "from": "earliest"})
    world.apply(name="other", source={"topics": [group.topic]})
    world.wait_condition("Connected", "True", "Connected", "other")
    assert (group.committed, world.replicas()) == ({0: 10, 1: 10}, 1)


@pytest.mark.parametrize(
    ("partitions", "words"),
    [
        ({"1": 11}, "goes from 0 to 10, and has no offset 11"),
        ({"0": 1, "2": 0}, "there is no partition 2"),
    ],
)
def test_what_cannot_be_moved_moves_nothing(
    connected_world: World, group: Group, partitions: dict[str, int], words: str
) -> None:
    world = connected_world
    apply(world, group)
    world.wait_replicas(1)
    before = world.child(DEPLOYMENTS)["metadata"]["generation"]
    apply(world, group, {"nonce": "wrong", "from": "earliest", "partitions": {group.topic: partitions}})
    message = world.wait_condition("Replaying", "False", "ReplayRefused")["message"]
    assert words in message
    assert "give spec.replay another nonce" in message
    assert world.child(DEPLOYMENTS)["metadata"]["generation"] == before, "nobody was stopped"
    assert group.committed == {0: 3, 1: 3}
    world.wait_event("Warning", "ReplayRefused")
    apply(world, group)
    world.wait_gone("Replaying")


def test_a_suspended_trigger_is_moved_and_stays_suspended(connected_world: World, group: Group) -> None:
    world = connected_world
    replay = {"nonce": "one", "from": "latest"}
    world.apply(source={"topics": [group.topic]}, suspend=True, replay=replay)
    wait_phase(world, "one", "Done")
    assert (group.committed, world.replicas()) == ({0: 10, 1: 10}, 0)
    world.wait_condition("Ready", "False", "Suspended")


def test_brokers_that_do_not_answer_stop_nobody(world: World) -> None:
    world.apply()
    world.wait_replicas(1)
    world.apply(replay={"nonce": "one", "from": "earliest"})
    world.wait_condition("Replaying", "True", "Checking")
    assert world.replicas() == 1


def test_another_protocol_waits_until_the_group_is_empty(connected_world: World, group: Group) -> None:
    world = connected_world
    apply(world, group)
    world.wait_replicas(1)
    group.join()
    apply(world, group, groupProtocol="Classic")
    world.wait_replicas(0)
    until(lambda: "has 1 members" in world.conditions()["Ready"]["message"], PATIENCE, "who is in the group")
    world.wait_condition("Ready", "False", "GroupChanging")
    group.leave()
    world.wait_replicas(1)
