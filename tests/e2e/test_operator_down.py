"""The operator is not in the data path: what goes on without it, and what it does when it returns.

That triggers can be deleted without it is in `test_delete`.
"""

from tests.e2e.conftest import Private
from tests.support.kubernetes import BUDGETS, Body
from tests.support.triggers import Trigger
from tests.support.waiting import until


def test_messages_flow_and_it_replaces_only_what_changed(private: Private) -> None:
    changed = private.namespace.trigger(name="changed").wait_ready()
    same = private.namespace.trigger(name="same", delivery={"guarantee": "ExactlyOnce"}).wait_ready()
    both = (changed, same)
    with changed.traffic() as of_changed, same.traffic() as of_same:
        private.release.stop()
        lose_pod(same)
        before = [shape(each) for each in both]
        changed.patch(transformation={"function": "functions:stamp_again"})
        same.kubectl("delete", "poddisruptionbudget", "same-consumer")
        changed.answered_up_to(of_changed.sent)
        same.answered_up_to(of_same.sent)
        assert [shape(each) for each in both] == before
        assert budget(same) is None
        private.release.start()
        until(lambda: len(changed.all_pods()) == 1 and not uids(changed) & before[0][0], 90, "another pod")
        until(lambda: budget(same), 60, "another budget")
        for trigger, traffic in ((changed, of_changed), (same, of_same)):
            trigger.wait_ready()
            traffic.wait_more()
    assert shape(same) == before[1]
    newest = max(changed.answered(of_changed.sent), key=lambda answer: answer.number)
    assert "again" in newest.value
    assert len(same.answered(of_same.sent)) == of_same.sent
    assert changed.restarts() == same.restarts() == private.release.restarts() == 0


def lose_pod(trigger: Trigger) -> None:
    """Deletes its pod; returns when another one works."""
    lost = uids(trigger)
    trigger.kubectl("delete", "pod", *trigger.pod_names(), "--wait=false")
    until(lambda: is_ready(trigger) and not uids(trigger) & lost, 90, "another pod that works")


def shape(trigger: Trigger) -> tuple[set[str], int]:
    """Its pods, and how often its Deployment was changed."""
    generation: int = trigger.deployment()["metadata"]["generation"]
    return uids(trigger), generation


def uids(trigger: Trigger) -> set[str]:
    return {pod["metadata"]["uid"] for pod in trigger.pods()}


def is_ready(trigger: Trigger) -> bool:
    """Whether a pod is, as the kubelet says."""
    conditions = [each for pod in trigger.pods() for each in pod["status"].get("conditions", [])]
    return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)


def budget(trigger: Trigger) -> Body | None:
    namespace = trigger.namespace
    return namespace.api.get(f"{BUDGETS.format(namespace.name)}/{trigger.name}-consumer")
