"""What the cache keeps of objects, and in which order it believes news."""

from typing import Any

from kafkatrigger.api.resources import KIND
from kafkatrigger.controller.cache import Cache, Key, trigger_key
from kafkatrigger.controller.names import labels
from tests.unit.controller.helpers import body

KEY = Key("plant-7", "rul")


def child(version: int, *, uid: str = "u", generation: int | None = 1, **metadata: Any) -> dict[str, Any]:
    base = {
        "name": "rul-consumer",
        "namespace": "plant-7",
        "uid": uid,
        "resourceVersion": str(version),
        "labels": labels("rul"),
    }
    made = {**base, **({"generation": generation} if generation else {}), **metadata}
    return {
        "kind": "Deployment" if generation else "ConfigMap",
        "metadata": made,
        "spec": {"template": {"metadata": {}}},
    }


def pod(version: int, name: str = "p") -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {**child(version)["metadata"], "name": name, "uid": name}}


def fingerprint(cache: Cache, kind: str = "Deployment") -> object:
    found = cache.find(KEY, kind, "rul-consumer")
    assert found
    return found.fingerprint


def test_everything_belongs_to_its_trigger() -> None:
    cache = Cache()
    assert {cache.observe(each) for each in (body(), child(1), pod(1))} == {KEY}
    assert cache.trigger(KEY)
    assert len(cache.children(KEY)) == len(cache.pods(KEY)) == 1


def test_an_owner_counts_before_a_label() -> None:
    owner = {"kind": KIND, "name": "rul", "uid": "u", "controller": True}
    for lost in ({}, labels("other")):
        assert trigger_key(child(1, labels=lost, ownerReferences=[owner])) == KEY
    assert trigger_key(child(1, ownerReferences=[])) == KEY
    replica_set = {"kind": "ReplicaSet", "name": "rul-consumer-1", "uid": "r", "controller": True}
    assert trigger_key({**pod(1), "metadata": {**pod(1)["metadata"], "ownerReferences": [replica_set]}}) == KEY


def test_older_news_is_not_believed() -> None:
    cache = Cache()
    cache.observe(child(5, generation=2))
    cache.observe(child(4, generation=1))
    found = cache.find(KEY, "Deployment", "rul-consumer")
    assert found
    assert found.generation == 2


def test_the_deletion_of_an_earlier_object_of_the_name_is_not_this_ones() -> None:
    cache = Cache()
    cache.observe(child(5, uid="new"))
    cache.observe(child(4, uid="old"), gone=True)
    assert cache.find(KEY, "Deployment", "rul-consumer")


def test_a_late_answer_does_not_revive_what_is_gone() -> None:
    cache = Cache()
    cache.observe(child(5))
    cache.observe(child(6), gone=True)
    cache.observe(child(5))
    assert cache.find(KEY, "Deployment", "rul-consumer") is None


def test_an_object_that_regains_our_labels_counts_again() -> None:
    cache = Cache()
    cache.observe(child(6), gone=True)
    cache.observe(child(7))
    assert cache.find(KEY, "Deployment", "rul-consumer")


def test_a_status_write_is_no_touch_and_a_change_is() -> None:
    cache = Cache()
    cache.observe(child(1))
    before = fingerprint(cache)
    cache.observe(child(2))
    assert fingerprint(cache) == before
    cache.observe(child(3, generation=2))
    assert fingerprint(cache) != before
    cache.observe(child(4, labels={**labels("rul"), "more": "1"}))
    assert fingerprint(cache) != before


def test_a_kind_without_generations_is_touched_by_every_write() -> None:
    cache = Cache()
    cache.observe(child(1, generation=None))
    before = fingerprint(cache, "ConfigMap")
    cache.observe(child(2, generation=None))
    assert fingerprint(cache, "ConfigMap") != before


def test_a_list_drops_what_a_watch_missed() -> None:
    cache = Cache()
    for each in (body(), body("other"), child(3), pod(3, "seen"), pod(3, "missed"), pod(9, "younger")):
        cache.observe(each)
    assert cache.retain("Pod", None, [pod(3, "seen")], 5) == {KEY}
    assert {each.name for each in cache.pods(KEY)} == {"seen", "younger"}
    assert cache.retain(KIND, "elsewhere", [], 99) == set()
    assert cache.retain(KIND, None, [body()], 99) == {Key("plant-7", "other")}
    assert cache.retain("Deployment", None, [], 99) == {KEY}
    assert cache.children(KEY) == []
