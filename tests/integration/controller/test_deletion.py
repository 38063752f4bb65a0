"""What becomes of the group when its trigger is deleted, and that nothing keeps a trigger from going."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.cluster.broker import HostBroker
from tests.integration.controller.test_group_offsets import committed_group
from tests.integration.controller.world import PATIENCE, World
from tests.support.kubernetes import CONFIG_MAPS, TRIGGERS
from tests.support.topics import Topics
from tests.support.waiting import until

HURRY = """
from kafkatrigger.controller import finalizers
finalizers.PATIENCE, finalizers.PAUSE = 6.0, 0.3
"""
FINALIZER = "kafkatrigger.dev/group"


@pytest.fixture
def topic(broker: HostBroker) -> str:
    return Topics(broker.bootstrap).create()


@pytest.fixture
def group(broker: HostBroker, topic: str) -> str:
    return committed_group(broker, topic)


def apply(world: World, topic: str, group: str, policy: str = "DeleteGroup", name: str = "rul") -> None:
    world.apply(name, source={"topics": [topic], "groupId": group}, deletionPolicy=policy)
    wait_finalizers(world, [FINALIZER] if policy == "DeleteGroup" else [], name)
    world.child("/apis/apps/v1/namespaces/{}/deployments", name)


def wait_finalizers(world: World, wanted: list[str], name: str = "rul") -> None:
    until(lambda: world.finalizers(name) == wanted, PATIENCE, f"the finalizers {wanted}")


def offsets(broker: HostBroker, topic: str, group: str) -> dict[int, int]:
    return Topics(broker.bootstrap).committed(group, topic)


def test_the_group_goes_with_its_trigger(connected_world: World, broker: HostBroker, topic: str, group: str) -> None:
    apply(connected_world, topic, group)
    connected_world.pods(1)
    connected_world.delete()
    connected_world.wait_deleted()
    assert offsets(broker, topic, group) == {}
    connected_world.wait_event("Normal", "GroupDeleted")


def test_the_group_is_kept_unless_asked(connected_world: World, broker: HostBroker, topic: str, group: str) -> None:
    apply(connected_world, topic, group, "Retain")
    connected_world.delete()
    connected_world.wait_deleted()
    assert offsets(broker, topic, group) == {0: 1}


def test_the_policy_may_change(connected_world: World, broker: HostBroker, topic: str, group: str) -> None:
    world = connected_world
    apply(world, topic, group)
    others = [FINALIZER, "example.com/theirs"]
    world.api.merge(world.path(TRIGGERS, "rul"), {"metadata": {"finalizers": others}})
    world.apply(source={"topics": [topic], "groupId": group})
    wait_finalizers(world, ["example.com/theirs"])
    world.delete()
    world.api.merge(world.path(TRIGGERS, "rul"), {"metadata": {"finalizers": None}})
    world.wait_deleted()
    assert offsets(broker, topic, group) == {0: 1}


def test_the_group_waits_for_the_last_pod(connected_world: World, broker: HostBroker, topic: str, group: str) -> None:
    world = connected_world
    apply(world, topic, group)
    (pod,) = world.pods(1)
    name = pod["metadata"]["name"]
    world.hold_pod(name)
    world.delete()
    world.wait_replicas(0)
    time.sleep(1)  # nothing is to happen, for longer than the pause between two questions to the brokers
    assert offsets(broker, topic, group) == {0: 1}
    world.hold_pod(name, held=False)
    world.wait_deleted()
    assert offsets(broker, topic, group) == {}


def test_the_checkpoint_is_gone_before_the_trigger_is(connected_world: World, topic: str, group: str) -> None:
    """Else one of the same name could start there."""
    world = connected_world
    apply(world, topic, group)
    like = world.child(CONFIG_MAPS)["metadata"]
    labels = {**like["labels"], "app.kubernetes.io/component": "checkpoint"}
    metadata = {"name": "rul-consumer-checkpoint-0", "ownerReferences": like["ownerReferences"], "labels": labels}
    world.api.call("POST", world.path(CONFIG_MAPS), {"metadata": metadata})
    world.api.merge(world.path(TRIGGERS, "rul"), {"metadata": {"finalizers": [FINALIZER, "example.com/theirs"]}})
    world.delete()
    wait_finalizers(world, ["example.com/theirs"])
    assert world.api.get(world.path(CONFIG_MAPS, metadata["name"])) is None
    world.api.merge(world.path(TRIGGERS, "rul"), {"metadata": {"finalizers": None}})


def test_pods_that_stay_do_not_keep_it(connected_world: World, broker: HostBroker, topic: str, group: str) -> None:
    world = connected_world
    apply(world, topic, group)
    (pod,) = world.pods(1)
    name = pod["metadata"]["name"]
    world.hold_pod(name)
    world.delete()
    world.wait_deleted()
    world.wait_event("Warning", "GroupNotDeleted")
    assert offsets(broker, topic, group) == {0: 1}
    world.hold_pod(name, held=False)


def test_brokers_that_do_not_answer_do_not_keep_it(world: World) -> None:
    apply(world, "machine-data", "group")
    world.delete()
    world.wait_deleted()
    world.wait_event("Warning", "GroupNotDeleted")


def test_the_group_of_an_older_trigger_is_left_alone(
    connected_world: World, broker: HostBroker, topic: str, group: str
) -> None:
    world = connected_world
    apply(world, topic, group, "Retain", "older")
    world.wait_condition("Accepted", "True", "Accepted", "older")
    older = datetime.fromisoformat(world.trigger("older")["metadata"]["creationTimestamp"])
    until(lambda: datetime.now(UTC) - older >= timedelta(seconds=1), what="that the next one is younger by a second")
    apply(world, topic, group, name="younger")
    world.wait_condition("Accepted", "False", "GroupInUse", "younger")
    world.delete("younger")
    world.wait_deleted("younger")
    assert offsets(broker, topic, group) == {0: 1}
