"""Each row of docs/faults.md, caused for real while messages come in: told in time, over in time, nothing lost, and Ready
was not True while messages stood still.
"""

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

import pytest

from tests.cluster.broker import STRICT
from tests.cluster.provider import Provider
from tests.support import strangers
from tests.support.commands import kafkatrigger
from tests.support.docs import ROOT
from tests.support.kubernetes import Body
from tests.support.release import IMAGE, Release
from tests.support.scene import QUICK, Scene
from tests.support.triggers import Namespace
from tests.support.waiting import until

Cause = Callable[[Scene], AbstractContextManager[None]]

CALM = 40.0
"""Seconds that a trigger is watched which nothing is wrong with: longer than any stall is untold."""


@dataclass(frozen=True)
class Row:
    """What the documentation promises of a fault; times in seconds."""

    fault: str
    reason: str
    told: float
    over: float


def _rows() -> list[Row]:
    text = (ROOT / "docs" / "faults.md").read_text()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [Row(each[0], each[2].strip("`"), _seconds(each[3]), _seconds(each[5])) for each in cells[2:]]


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+) s", text)
    assert found, f"{text} is no number of seconds"
    return float(found[1])


ROWS = _rows()


@pytest.fixture
def scene(namespace: Namespace, cluster: Provider, release: Release) -> Iterator[Scene]:
    if not cluster.is_native:
        pytest.skip("pods have to run on this machine: their processes are signalled, and they reach brokers of it")
    with Scene(namespace, cluster, release) as found:
        yield found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_a_fault_is_told_and_passes_in_time(scene: Scene, row: Row) -> None:
    with CAUSES[row.fault](scene):
        scene.wait_told(row.reason, row.told)
    scene.wait_over(row.over)
    scene.assert_nothing_is_missing()
    scene.assert_ready_meant_flow(row.told)


# Each causes its fault, and mends it in the end.


@contextmanager
def _brokers_are_gone(scene: Scene) -> Iterator[None]:
    broker = scene.own_broker()
    scene.start()
    broker.kill()
    yield
    broker.start()


@contextmanager
def _brokers_hang(scene: Scene) -> Iterator[None]:
    broker = scene.own_broker()
    scene.start()
    broker.freeze()
    yield
    broker.thaw()


@contextmanager
def _partition_has_no_leader(scene: Scene) -> Iterator[None]:
    """Of another topic than that with the traffic, which goes on."""
    brokers = scene.own_brokers()
    source, lonely = (f"{scene.namespace.name}.{name}" for name in ("rul.source", "lonely"))
    scene.namespace.topics.create_unreplicated(lonely)
    scene.start(source={"topics": [source, lonely]})
    broker = brokers.broker(scene.namespace.topics.leader(lonely, 0))
    broker.kill()
    yield
    broker.start()


@contextmanager
def _source_is_deleted(scene: Scene) -> Iterator[None]:
    trigger = scene.start(rate=0)
    scene.namespace.topics.delete(trigger.source)
    yield
    scene.namespace.topic("rul.source")


@contextmanager
def _response_topic_refuses(scene: Scene) -> Iterator[None]:
    scene.own_broker(STRICT)
    trigger = scene.start()
    scene.namespace.topics.forbid_writing(trigger.responses)
    yield
    scene.namespace.topics.allow_writing(trigger.responses)


@contextmanager
def _somebody_joins(scene: Scene) -> Iterator[None]:
    trigger = scene.start()
    with strangers.member(scene.namespace.bootstrap, trigger.group, trigger.source):
        yield


@contextmanager
def _rebalance_is_stuck(scene: Scene) -> Iterator[None]:
    """By a member that says it is of the trigger, as one of its pods might be."""
    source = f"{scene.namespace.name}.rul.source"
    trigger = scene.start(source={"topics": [source], "groupProtocol": "Classic"})
    (pod,) = trigger.pod_names()
    name = f"kafkatrigger.{scene.namespace.name}.{trigger.name}.{trigger.body()['metadata']['uid'][:8]}"
    members = partial(scene.namespace.topics.members, trigger.group)
    with strangers.member(scene.namespace.bootstrap, trigger.group, source, name, "Classic") as hangs:
        until(lambda: members() == 2, 30, "a second member")
        hangs.set()
        trigger.kubectl("delete", "pod", pod, "--wait=false")
        yield


@contextmanager
def _signalled(scene: Scene, module: str, number: int) -> Iterator[None]:
    """Nobody mends it."""
    scene.start()
    scene.signal(module, number)
    yield


@contextmanager
def _runtime_hangs(scene: Scene) -> Iterator[None]:
    trigger = scene.start()
    (pod,) = trigger.pod_names()
    scene.signal("kafkatrigger.runtime", signal.SIGSTOP)
    yield
    trigger.kubectl("delete", "pod", pod, "--wait=false")


@contextmanager
def _keys_are_blocked(scene: Scene) -> Iterator[None]:
    delivery = {**QUICK, "retry": {"attempts": 1}, "onFailure": "Block", "breaker": {"enabled": False}}
    trigger = scene.apply("functions:tell", rate=200, keys=400, delivery=delivery)  # which finds nothing to do
    yield
    trigger.patch(transformation={"function": "functions:stamp"})
    trigger.wait("Deployed", "True", "Deployed")
    until(lambda: len(trigger.all_pods()) == 1, 60, "the end of the old pod, which is not ready either")
    kafkatrigger(scene.namespace.name, "blocked", "retry", trigger.name, "--yes")


@contextmanager
def _spec(scene: Scene, wrong: Body, right: Body) -> Iterator[None]:
    """It is wrong from the beginning."""
    trigger = scene.apply(**wrong)
    yield
    trigger.patch(**right)


@contextmanager
def _secret_is_missing(scene: Scene) -> Iterator[None]:
    reference = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "later", "key": "token"}}}
    trigger = scene.apply(runtime={"image": IMAGE, "workers": 1, "env": [reference]})
    yield
    trigger.kubectl("create", "secret", "generic", "later", "--from-literal=token=x")


@contextmanager
def _quota_is_used_up(scene: Scene) -> Iterator[None]:
    scene.namespace.forbid_pods()
    scene.apply()
    yield
    scene.namespace.allow_pods()


@contextmanager
def _policy_refuses(scene: Scene) -> Iterator[None]:
    name = scene.namespace.name
    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "message": "no pods on Sundays"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": where}
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    scene.namespace.apply({**head, "kind": "ValidatingAdmissionPolicy", "spec": policy})
    scene.namespace.apply({**head, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding})
    try:
        until(lambda: scene.namespace.refuses_pods(), 30, "the policy")
        scene.apply()
        yield
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            scene.namespace.kubectl("delete", kind, name)


def _runtime(**more: object) -> Body:
    return {"runtime": {"image": IMAGE, "workers": 1, **more}}


def _function(name: str) -> Body:
    return {"transformation": {"function": name}}


CAUSES: dict[str, Cause] = {
    "brokers are gone": _brokers_are_gone,
    "brokers hang": _brokers_hang,
    "a partition has no leader": _partition_has_no_leader,
    "the source topic is deleted": _source_is_deleted,
    "the response topic refuses writes": _response_topic_refuses,
    "somebody else joins the group": _somebody_joins,
    "a rebalance does not come to its end": _rebalance_is_stuck,
    "the consumer is killed": partial(_signalled, module="kafkatrigger.consumer", number=signal.SIGKILL),
    "the consumer hangs": partial(_signalled, module="kafkatrigger.consumer", number=signal.SIGSTOP),
    "the runtime hangs": _runtime_hangs,
    "the runtime is killed at its start": partial(
        _spec,
        wrong=_runtime(resources={"limits": {"memory": "12Mi"}, "requests": {"memory": "12Mi"}}),
        right=_runtime(resources={"limits": {"memory": "512Mi"}}),
    ),
    "the module ends the process": partial(
        _spec, wrong={"function": "hostile:nothing"}, right=_function("functions:stamp")
    ),
    "the function is missing": partial(
        _spec, wrong={"function": "functions:stomp"}, right=_function("functions:stamp")
    ),
    "a partition has too many blocked keys": _keys_are_blocked,
    "the image cannot be pulled": partial(
        _spec, wrong=_runtime(image="localhost:1/nobody/nothing:none"), right=_runtime()
    ),
    "a Secret is missing": _secret_is_missing,
    "no node takes the pod": partial(
        _spec,
        wrong=_runtime(resources={"requests": {"cpu": "1000"}}),
        right=_runtime(resources={"requests": {"cpu": "50m"}}),
    ),
    "the quota is used up": _quota_is_used_up,
    "a policy refuses pods": _policy_refuses,
}


def test_a_message_that_takes_long_is_no_stall(scene: Scene) -> None:
    scene.start(function="functions:hesitant", delivery={**QUICK, "timeout": "60s"})
    scene.assert_stayed_ready(CALM)
    scene.assert_nothing_is_missing()


def test_messages_that_wait_for_their_next_attempt_are_no_stall(scene: Scene) -> None:
    retry = {"attempts": 3, "initialDelay": "25s", "jitter": 0}
    scene.start(function="functions:reluctant", delivery={**QUICK, "retry": retry})
    scene.assert_stayed_ready(CALM)
    scene.assert_nothing_is_missing()


def test_an_empty_topic_is_no_stall(scene: Scene) -> None:
    scene.start(rate=0)
    scene.assert_stayed_ready(CALM)


def test_a_producer_that_pauses_is_no_stall(scene: Scene) -> None:
    scene.start()
    scene.assert_nothing_is_missing()
    scene.assert_stayed_ready(CALM)


def test_a_worker_that_hangs_costs_its_timeout(scene: Scene) -> None:
    scene.start()
    scene.signal("kafkatrigger.runtime.worker", signal.SIGSTOP)
    scene.assert_stayed_ready(CALM)
    scene.wait_over(30)
    scene.assert_nothing_is_missing()
