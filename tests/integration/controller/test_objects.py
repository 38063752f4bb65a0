"""The objects of a trigger: made, changed, mended, removed, and nobody else's touched."""

import json
import time

from tests.integration.controller.world import World
from tests.support.kubernetes import BUDGETS, CONFIG_MAPS, DEPLOYMENTS, TRIGGERS, Body
from tests.support.waiting import until

COLLECTIONS = (CONFIG_MAPS, DEPLOYMENTS, BUDGETS)


HURRY = """
from functools import partial
from kafkatrigger.controller import connections, main
connections.UNHEALTHY_PAUSE = 0.5
main.Brokers = partial(main.Brokers, timeout=1.0)
"""
ROUND = 3.0
"""Seconds in which unreachable brokers are asked again, and have not answered."""


def settled(world: World) -> list[str]:
    """The versions after the last write that a new trigger causes: the answer of the brokers."""
    world.wait_condition("Connected", "False", "BrokersUnreachable")
    world.pods(1)
    until(lambda: world.trigger()["status"]["replicas"] == 1)
    return world.rested_versions()


def test_a_trigger_gets_its_objects(world: World) -> None:
    trigger = world.apply()
    for child in world.children():
        metadata = child["metadata"]
        assert metadata["ownerReferences"] == [
            {
                "apiVersion": "kafkatrigger.dev/v1alpha1",
                "kind": "KafkaTrigger",
                "name": "rul",
                "uid": trigger["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ]
        assert metadata["labels"]["app.kubernetes.io/instance"] == "rul"
        assert [each["manager"] for each in metadata["managedFields"] if each["operation"] == "Apply"] == [
            "kafkatrigger"
        ]
    config = json.loads(world.child(CONFIG_MAPS)["data"]["consumer.json"])
    assert config["groupId"] == f"test.{world.namespace}.rul"
    assert config["timeout"] == 60.0


def test_the_trigger_itself_is_left_alone(world: World) -> None:
    world.apply()
    settled(world)
    metadata = world.trigger()["metadata"]
    assert "annotations" not in metadata
    assert "finalizers" not in metadata
    assert metadata["generation"] == 1
    # Sorted by time, and then by name: which comes first depends on the second.
    assert sorted(each.get("subresource", "") for each in metadata["managedFields"]) == ["", "status"]


def test_a_change_reaches_the_objects(world: World) -> None:
    world.apply()
    before = world.child(DEPLOYMENTS)["spec"]["template"]["metadata"]["annotations"]
    world.apply(source={"topics": ["a", "b"]}, runtime={"image": "example.com/mine:2", "workers": 3})

    def changed() -> bool:
        image: str = world.child(DEPLOYMENTS)["spec"]["template"]["spec"]["initContainers"][0]["image"]
        return image == "example.com/mine:2"

    until(changed, 10, "the new image")
    template = world.child(DEPLOYMENTS)["spec"]["template"]
    assert template["spec"]["initContainers"][0]["args"][-1] == "3"
    for name in ("config-hash", "template-hash"):
        assert template["metadata"]["annotations"][f"kafkatrigger.dev/{name}"] != before[f"kafkatrigger.dev/{name}"]
    assert json.loads(world.child(CONFIG_MAPS)["data"]["consumer.json"])["topics"] == ["a", "b"]


def test_fields_that_are_no_longer_said_go_away(world: World) -> None:
    world.apply(podTemplate={"nodeSelector": {"disk": "fast"}})
    assert world.child(DEPLOYMENTS)["spec"]["template"]["spec"]["nodeSelector"] == {"disk": "fast"}
    world.apply()
    until(lambda: "nodeSelector" not in world.child(DEPLOYMENTS)["spec"]["template"]["spec"], 10, "no nodeSelector")


def test_what_is_no_longer_desired_is_deleted(world: World) -> None:
    world.apply()
    world.pods(1)
    owned, foreign = _config_map(world, "old"), _config_map(world, "foreign")
    foreign["metadata"]["ownerReferences"] = []
    world.api.apply(world.path(CONFIG_MAPS, "foreign"), foreign)
    world.api.apply(world.path(CONFIG_MAPS, "old"), owned)
    until(lambda: world.api.get(world.path(CONFIG_MAPS, "old")) is None, 10, "the deletion")
    assert world.api.get(world.path(CONFIG_MAPS, "foreign"))


def test_nothing_is_written_when_nothing_changes(world: World) -> None:
    world.apply()
    before = settled(world)
    time.sleep(ROUND)  # nothing is to happen, so there is nothing to wait for
    assert world.versions() == before


def test_an_object_of_somebody_else_is_not_taken(world: World) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rul-consumer"}, "data": {"theirs": "1"}}
    world.api.apply(world.path(CONFIG_MAPS, "rul-consumer"), theirs)
    world.apply()
    condition = world.wait_condition("Deployed", "False", "NameTaken")
    assert "ConfigMap rul-consumer" in condition["message"]
    assert world.child(CONFIG_MAPS)["data"] == {"theirs": "1"}
    world.api.delete(world.path(CONFIG_MAPS, "rul-consumer"))
    world.wait_condition("Deployed", "False", "Progressing")
    assert "consumer.json" in world.child(CONFIG_MAPS)["data"]


def test_a_trigger_that_is_made_again_gets_objects_of_its_own(world: World) -> None:
    world.apply()
    world.pods(1)
    old = world.child(DEPLOYMENTS)["metadata"]["uid"]
    world.delete()
    uid = world.apply()["metadata"]["uid"]
    until(lambda: world.child(DEPLOYMENTS)["metadata"]["uid"] != old, 20, "a new Deployment")
    until(
        lambda: all(each["metadata"]["ownerReferences"][0]["uid"] == uid for each in world.children()), 20, "new owners"
    )


def test_no_pod_finds_the_checkpoint_of_an_earlier_trigger(world: World) -> None:
    labels = {
        "app.kubernetes.io/instance": "rul",
        "app.kubernetes.io/component": "checkpoint",
        "app.kubernetes.io/managed-by": "kafkatrigger",
    }
    owner = {"apiVersion": "kafkatrigger.dev/v1alpha1", "kind": "KafkaTrigger", "name": "rul", "controller": True}
    name = "rul-consumer-checkpoint-3"
    metadata = {
        "name": name,
        "labels": labels,
        "ownerReferences": [{**owner, "uid": "00000000-0000-0000-0000-000000000000"}],
        "finalizers": ["example.com/not-gone-yet"],
    }
    world.api.call("POST", world.path(CONFIG_MAPS), {"metadata": metadata})
    world.apply()
    assert name in world.wait_condition("Deployed", "False", "Progressing")["message"]
    assert world.api.get(world.path(DEPLOYMENTS, "rul-consumer")) is None
    world.api.merge(world.path(CONFIG_MAPS, name), {"metadata": {"finalizers": None}})
    world.child(DEPLOYMENTS)


def test_orphans_are_taken_up_again(world: World) -> None:
    world.apply()
    world.pods(1)
    old = world.child(DEPLOYMENTS)["metadata"]["uid"]
    world.api.call("DELETE", world.path(TRIGGERS, "rul"), {"propagationPolicy": "Orphan"})
    until(lambda: not world.child(DEPLOYMENTS)["metadata"].get("ownerReferences"), 10, "the orphan")
    world.wait_deleted()
    uid = world.apply()["metadata"]["uid"]

    def adopted() -> bool:
        owners = world.child(DEPLOYMENTS)["metadata"].get("ownerReferences", [])
        return [owner["uid"] for owner in owners] == [uid]

    until(adopted, 10, "the adoption")
    assert world.child(DEPLOYMENTS)["metadata"]["uid"] == old


def _config_map(world: World, name: str) -> Body:
    like = world.child(CONFIG_MAPS)["metadata"]
    metadata = {"name": name, "labels": like["labels"], "ownerReferences": like["ownerReferences"]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}
