"""The chart's rights suffice, for all namespaces and for some, and are no wider than what is called."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kafkatrigger.api.pod_status import STOPPED_ON_FAILURE, PodStatus
from kafkatrigger.api.stop import StopPoint
from tests.cluster.control_plane import ControlPlane
from tests.integration.conftest import define
from tests.integration.controller.operator_process import running_operator
from tests.integration.controller.speaking_pod import pod_that_says
from tests.integration.controller.world import PATIENCE, World
from tests.support.chart import NAMESPACE, only, rendered
from tests.support.kubernetes import (
    CONFIG_MAPS,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    TRANSFORMATIONS,
    Api,
    Body,
    RefusedError,
)
from tests.support.waiting import until

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:kt-kafkatrigger"

RBAC = "rbac.authorization.k8s.io"
READER = "kt-kafkatrigger-transformations"

# Applying is called a patch in the log even where it creates, and needs both rights. An event that happens again is
# patched only after a minute of quiet: see test_events.
UNSEEN = {
    ("", "configmaps", "create"),
    ("apps", "deployments", "create"),
    ("policy", "poddisruptionbudgets", "create"),
    ("", "serviceaccounts", "create"),
    (RBAC, "rolebindings", "create"),
    ("", "events", "patch"),
}


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[tuple[ControlPlane, Path]]:
    """A control plane of its own that writes down who asked for what."""
    policy, log = tmp_path / "policy.json", tmp_path / "audit.log"
    policy.write_text(json.dumps(POLICY))
    arguments = (f"--audit-policy-file={policy}", f"--audit-log-path={log}")
    with ControlPlane(controllers=True, api_server_args=arguments) as running:
        yield running, log


@pytest.mark.parametrize("namespaces", [[], ["plant-7", "plant-8"]])
def test_rights(audited: tuple[ControlPlane, Path], tmp_path: Path, namespaces: list[str]) -> None:
    control_plane, log = audited
    api = Api(control_plane.kubeconfig)
    define(api)
    worlds = [World(api, api.make_namespace(name)) for name in ("plant-7", "plant-8")]
    rules = _grant(api, namespaces)
    kubeconfig = control_plane.kubeconfig_of(ACCOUNT)
    with running_operator(kubeconfig, tmp_path, watchNamespaces=namespaces, transformationReader=READER) as operator:
        for world in worlds:
            _exercise(world)
            _pods_read_transformations_and_nothing_else(world, control_plane)
        assert "orbidden" not in operator.log, operator.log
    calls = [each for each in map(json.loads, log.read_text().splitlines()) if each["user"]["username"] == ACCOUNT]
    assert [each for each in calls if each["responseStatus"]["code"] == 403] == []
    made = {_right(each) for each in calls if "objectRef" in each and "resource" in each["objectRef"]}
    granted = {right for rule in rules for right in _rights(rule)}
    # To bind is a right that is asked for while a binding is made, and is no call.
    assert granted - made == UNSEEN | {(RBAC, "roles" if namespaces else "clusterroles", "bind")}
    assert made <= granted


def test_no_other_role_can_be_bound(control_plane: ControlPlane, api: Api, namespace: str) -> None:
    _grant(api, [])
    operator = Api(control_plane.kubeconfig_of(ACCOUNT))

    def bind(role: str) -> Body:
        named = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
        subjects = [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}]
        body = {"metadata": {"name": role}, "roleRef": named, "subjects": subjects}
        return operator.call("POST", ROLE_BINDINGS.format(namespace), body)

    bind(READER)
    with pytest.raises(RefusedError, match="attempting to grant RBAC permissions not currently held"):
        bind("view")


def _exercise(world: World) -> None:
    """Everything that an operator ever does."""
    world.apply()
    world.pods(1)
    world.wait_event("Warning", "BrokersUnreachable")
    _stop(world)
    _leftovers(world)
    _transformation(world)
    _finalizer(world)
    world.apply(suspend=True)
    world.wait_condition("Ready", "False", "Suspended")


def _stop(world: World) -> None:
    """A pod that stopped for a message: the pods are told."""
    (pod,) = world.pods(1)
    stopped = StopPoint("machine-data", 0, 1, 1715764260123, "ValueError").text()
    status = PodStatus("n/rul", False, STOPPED_ON_FAILURE, "stopped", "group", stopped=stopped)
    with pod_that_says(status) as speaking:
        world.set_pod(pod, ready=False, ip=speaking.address)
        world.wait_condition("Consuming", "False", "StoppedOnFailure")

        def is_told() -> bool:
            annotations: dict[str, str] = world.pods(1)[0]["metadata"]["annotations"]
            return annotations.get("kafkatrigger.dev/stopped") == stopped

        until(is_told, PATIENCE, "the annotation of the pod")


def _transformation(world: World) -> None:
    """An account that is bound to the role."""
    world.put_transformation()
    world.apply("ref", transformation={"ref": {"name": "rul-1-0-0"}})
    account = world.child(SERVICE_ACCOUNTS, "ref")["metadata"]["name"]
    until(
        lambda: any(_binds(each, account) for each in world.api.items(world.path(ROLE_BINDINGS))), PATIENCE, "a binding"
    )


def _binds(binding: Body, account: str) -> bool:
    return bool(binding["roleRef"]["name"] == READER and binding["subjects"][0]["name"] == account)


def _pods_read_transformations_and_nothing_else(world: World, control_plane: ControlPlane) -> None:
    account = f"system:serviceaccount:{world.namespace}:ref-consumer"
    pod = Api(control_plane.kubeconfig_of(account))
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    asked = pod.call(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        {**review, "spec": {"namespace": world.namespace}},
    )
    # Anybody may ask what they may do.
    rules = [each for each in asked["status"]["resourceRules"] if not each["apiGroups"][0].startswith("auth")]
    assert {right for rule in rules for right in _rights(rule)} == {
        ("kafkatrigger.dev", "transformations", verb) for verb in ("get", "list", "watch")
    }
    assert [each["metadata"]["name"] for each in pod.items(world.path(TRANSFORMATIONS))] == ["rul-1-0-0"]
    with pytest.raises(RefusedError, match="cannot list resource"):
        pod.items(TRANSFORMATIONS.format("default"))


def _finalizer(world: World) -> None:
    """It comes with the policy and goes with it."""
    world.apply(deletionPolicy="DeleteGroup")
    until(lambda: len(world.finalizers()) == 1, PATIENCE, "the finalizer")
    world.apply()
    until(lambda: not world.finalizers(), PATIENCE, "its end")


def _leftovers(world: World) -> None:
    """Owned objects of every kind that are no longer desired."""
    like = world.child(CONFIG_MAPS)["metadata"]
    metadata = {"name": "old", "labels": like["labels"], "ownerReferences": like["ownerReferences"]}
    selector = {"matchLabels": {"app": "old"}}
    template = {"metadata": {"labels": {"app": "old"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    specs: dict[str, Body] = {
        "/api/v1/namespaces/{}/configmaps": {},
        "/apis/apps/v1/namespaces/{}/deployments": {
            "spec": {"replicas": 0, "selector": selector, "template": template}
        },
        "/apis/policy/v1/namespaces/{}/poddisruptionbudgets": {"spec": {"selector": selector}},
        SERVICE_ACCOUNTS: {},
        ROLE_BINDINGS: {"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}},
    }
    for collection, spec in specs.items():
        world.api.call("POST", world.path(collection), {"metadata": metadata, **spec})
    for collection in specs:
        world.wait_no_object(collection, "old")


def _grant(api: Api, namespaces: list[str]) -> list[Body]:
    """Applies the chart's roles, and returns the operator's rules."""
    manifests = rendered({"watchNamespaces": namespaces})
    if namespaces:
        assert not [each for each in manifests if each["kind"] == "ClusterRoleBinding"]
    role = [
        each
        for each in manifests
        if each["kind"] in ("Role", "ClusterRole") and each["metadata"]["name"] in ("kt-kafkatrigger", READER)
    ]
    for each in [*role, *(each for each in manifests if each["kind"].endswith("RoleBinding"))]:
        place = f"namespaces/{each['metadata']['namespace']}/" if "namespace" in each["metadata"] else ""
        collection = f"/apis/rbac.authorization.k8s.io/v1/{place}{each['kind'].lower()}s"
        api.call("POST", collection, each)
    rules: list[Body] = next(each["rules"] for each in role if each["metadata"]["name"] == "kt-kafkatrigger")
    return rules


def _rights(rule: Body) -> Iterator[tuple[str, str, str]]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                yield group, resource, verb


def _right(call: dict[str, Any]) -> tuple[str, str, str]:
    at = call["objectRef"]
    resource = "/".join(part for part in (at["resource"], at.get("subresource")) if part)
    return at.get("apiGroup", ""), resource, call["verb"]


def test_the_account_is_the_charts() -> None:
    assert only(rendered(), "ServiceAccount")["metadata"] | {"labels": {}} == {
        "name": "kt-kafkatrigger",
        "namespace": NAMESPACE,
        "labels": {},
    }
