"""What the operator reads of a pod."""

from typing import Any

from kafkatrigger.controller.pods import pod


def body(**status: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "4"},
        "status": status,
    }


def test_a_new_pod_says_nothing() -> None:
    found = pod({**body(), "status": None})
    assert not (found.ready or found.running or found.answers or found.unschedulable)


def test_a_running_pod_can_be_asked() -> None:
    statuses = [{"name": "consumer", "image": "i", "state": {"running": {}}, "restartCount": 0}]
    ready = [{"type": "Ready", "status": "True"}]
    found = pod(body(phase="Running", podIP="10.0.0.1", containerStatuses=statuses, conditions=ready))
    assert found.ready
    assert found.running
    assert found.answers


def test_a_sidecar_that_waits_keeps_the_pod_from_running() -> None:
    sidecar = [{"name": "runtime", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 1}]
    assert not pod(body(phase="Running", initContainerStatuses=sidecar)).running


def test_how_a_container_ended() -> None:
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "message": "too\nlarge"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    status = {"name": "runtime", "state": waiting, "lastState": ended, "restartCount": 2}
    (container,) = pod(body(initContainerStatuses=[status])).containers
    assert container.ended == "OOMKilled, exit code 137: too large"
    assert (container.waiting, container.message) == ("CrashLoopBackOff", "back-off")


def test_no_node() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    assert pod(body(conditions=[condition])).unschedulable == "0/1 nodes"
