"""What others do to the objects of a trigger: what the operator says is put back, what it does not say is theirs."""

import copy
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kafkatrigger.controller.contest import BURST
from kafkatrigger.controller.names import labels
from tests.integration.controller import test_objects
from tests.integration.controller.test_objects import COLLECTIONS, ROUND, settled
from tests.integration.controller.world import World
from tests.support.kubernetes import BUDGETS, CONFIG_MAPS, DEPLOYMENTS, PODS, TRIGGERS, Api, Body
from tests.support.waiting import until

PROMISE = 60.0
"""Seconds in which drift is mended."""
CONTEST_PAUSE = 2.0
HURRY = f"""{test_objects.HURRY}
from kafkatrigger.controller import contest
contest.PAUSE, contest.WINDOW = {CONTEST_PAUSE}, 6.0
"""
MEMBERSHIP = "kafkatrigger.dev/membership"
NAMES = ("ConfigMap", "Deployment", "PodDisruptionBudget")
THEIR_TEMPLATE = {
    "metadata": {"annotations": {"sidecar.istio.io/status": "injected"}},
    "spec": {"containers": [{"name": "proxy", "image": "example.com/proxy:1"}]},
}
THEIRS: dict[str, Body] = {
    CONFIG_MAPS: {"data": {"theirs": "1"}},
    DEPLOYMENTS: {"spec": {"template": THEIR_TEMPLATE}},
    BUDGETS: {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}},
}


def said(body: Body) -> Body:
    """What the operator says of an object, and Kubernetes' defaults."""
    metadata = body["metadata"]
    membership = metadata.get("annotations", {}).get(MEMBERSHIP)
    owner = metadata.get("ownerReferences")
    return {"labels": metadata.get("labels"), "owner": owner, "is": membership} | {
        name: body.get(name) for name in ("spec", "data")
    }


def merge(world: World, collection: str, changes: Body) -> None:
    world.api.merge(world.path(collection, "rul-consumer"), changes)


def mended(world: World, collection: str, wanted: Body) -> None:
    until(lambda: said(world.child(collection)) == wanted, PROMISE, f"as it was: {wanted}")


def image_of_theirs(world: World) -> Body:
    template = copy.deepcopy(world.child(DEPLOYMENTS)["spec"]["template"])
    template["spec"]["containers"][0]["image"] = "example.com/theirs:1"
    return {"spec": {"template": {"spec": {"containers": template["spec"]["containers"]}}}}


@pytest.mark.parametrize(
    ("collection", "changes"),
    [
        (CONFIG_MAPS, {"data": {"consumer.json": "{}"}}),
        (CONFIG_MAPS, {"data": None}),
        (DEPLOYMENTS, {"spec": {"replicas": 7}}),
        (DEPLOYMENTS, {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}),
        (DEPLOYMENTS, {"spec": {"template": {"metadata": {"annotations": {"kafkatrigger.dev/config-hash": "0"}}}}}),
        (DEPLOYMENTS, image_of_theirs),
        (DEPLOYMENTS, {"metadata": {"annotations": {MEMBERSHIP: None}}}),
        (BUDGETS, {"spec": {"maxUnavailable": 5}}),
    ],
)
def test_what_the_operator_says_is_put_back(world: World, collection: str, changes: Any) -> None:
    world.apply()
    world.pods(1)
    wanted = said(world.child(collection))
    merge(world, collection, changes(world) if callable(changes) else changes)
    mended(world, collection, wanted)


@pytest.mark.parametrize("collection", COLLECTIONS, ids=NAMES)
def test_labels_and_the_owner_are_put_back(world: World, collection: str) -> None:
    world.apply()
    world.pods(1)
    wanted = said(world.child(collection))
    for change in (
        {"labels": dict.fromkeys(labels("rul"))},
        {"labels": {"app.kubernetes.io/managed-by": None}},
        {"labels": {"app.kubernetes.io/instance": None}},
        {"labels": {"app.kubernetes.io/instance": "another"}},
        {"ownerReferences": None},
    ):
        merge(world, collection, {"metadata": change})
        mended(world, collection, wanted)


@pytest.mark.parametrize("collection", COLLECTIONS, ids=NAMES)
def test_a_deleted_object_is_made_again(world: World, collection: str) -> None:
    world.apply()
    world.pods(1)
    before = world.child(collection)
    world.api.delete(world.path(collection, "rul-consumer"))
    until(lambda: world.child(collection)["metadata"]["uid"] != before["metadata"]["uid"], PROMISE, "a new one")
    mended(world, collection, said(before))


def test_a_pod_that_is_set_aside_is_no_longer_the_triggers(world: World) -> None:
    world.apply()
    (pod,) = world.pods(1)
    world.set_pod(pod, ready=True)
    world.wait_condition("Consuming", "True", "Consuming")
    name = world.path(PODS, pod["metadata"]["name"])
    world.api.merge(name, {"metadata": {"labels": {"app.kubernetes.io/instance": None}}})
    world.wait_condition("Consuming", "False", "PodsNotReady")
    assert world.api.get(name)


def test_what_others_say_is_theirs(world: World) -> None:
    world.apply()
    settled(world)
    foreign = {"annotations": {"example.com/team": "blue"}, "labels": {"example.com/team": "blue"}}
    for collection, content in THEIRS.items():
        mine = world.child(collection)
        head = {"apiVersion": mine["apiVersion"], "kind": mine["kind"], "metadata": foreign}
        world.api.apply(world.path(collection, "rul-consumer"), {**head, **content}, "mesh")
    before = world.rested_versions()
    time.sleep(ROUND)  # nothing is to happen, so there is nothing to wait for
    assert world.versions() == before
    world.apply(source={"topics": ["others"]}, runtime={"workers": 3})
    until(lambda: "others" in world.child(CONFIG_MAPS)["data"]["consumer.json"], PROMISE, "the change")
    world.rested_versions()
    for collection in THEIRS:
        metadata = world.child(collection)["metadata"]
        assert metadata["annotations"]["example.com/team"] == metadata["labels"]["example.com/team"] == "blue"
    template = world.child(DEPLOYMENTS)["spec"]["template"]
    assert template["metadata"]["annotations"]["sidecar.istio.io/status"] == "injected"
    assert {each["name"] for each in template["spec"]["containers"]} == {"consumer", "proxy"}
    assert template["spec"]["initContainers"][0]["args"][-1] == "3"
    assert world.child(CONFIG_MAPS)["data"]["theirs"] == "1"
    assert world.child(BUDGETS)["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_an_autoscaler_scales_the_trigger(world: World) -> None:
    world.apply()
    world.pods(1)
    world.api.merge(f"{world.path(TRIGGERS, 'rul')}/scale", {"spec": {"replicas": 3}})
    world.wait_replicas(3)
    merge(world, DEPLOYMENTS, {"spec": {"replicas": 7}})
    world.wait_replicas(3)
    world.apply(runtime={"workers": 3})  # its user, who says nothing of the scale
    until(lambda: world.child(DEPLOYMENTS)["metadata"]["generation"] > 4, PROMISE, "the change")
    assert world.trigger()["spec"]["scaling"]["replicas"] == world.replicas() == 3


class Opponent:
    """A controller that wants no pods."""

    def __init__(self, api: Api, path: str) -> None:
        self._api, self._path = api, path
        self.writes = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._work, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _work(self, stop: threading.Event) -> None:
        while not stop.wait(0.02):
            if self._api.call("GET", self._path)["spec"]["replicas"]:
                self._api.merge(self._path, {"spec": {"replicas": 0}})
                self.writes += 1


def test_a_contest_is_slow_and_is_told(world: World, api: Api) -> None:
    world.apply()
    settled(world)
    opponent, began = Opponent(api, world.path(DEPLOYMENTS, "rul-consumer")), time.monotonic()
    with opponent.at_work():
        condition = world.wait_condition("Warning", "True", "ObjectContested")
        assert "Deployment rul-consumer" in condition["message"]
        time.sleep(2 * CONTEST_PAUSE)  # how often it is put back in that time
    assert opponent.writes <= BURST + 1 + (time.monotonic() - began) / CONTEST_PAUSE
    world.wait_replicas(1)
    world.wait_gone("Warning")
    merge(world, DEPLOYMENTS, {"spec": {"replicas": 7}})
    world.wait_replicas(1)
