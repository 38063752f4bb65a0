"""The manifests of triggers, compared with files. `UPDATE_GOLDEN=1 pytest` writes them anew."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from kafkatrigger.controller.desired import Manifest, manifests
from kafkatrigger.controller.names import TEMPLATE_HASH, TIMESTAMPS
from tests.unit.controller.helpers import accepted, settings, trigger

GOLDEN = Path(__file__).parent / "golden"

FULL: dict[str, Any] = {
    "source": {
        "topics": ["machine-data"],
        "groupId": "rul-group",
        "initialOffsetResetPolicy": 1715764260123,
        "partitionTimestamps": {"machine-data": {"0": 1715764260123}},
    },
    "response": {"topic": "results", "headers": "All"},
    "delivery": {"timeout": "45s", "onFailure": "Skip"},
    "runtime": {
        "workers": 4,
        "image": "mine:2",
        "resources": {"limits": {"memory": "96Mi"}},
        "env": [
            {"name": "HTTPS_PROXY", "value": "http://mine:3128"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
    },
    "podTemplate": {
        "labels": {"team": "a", "app.kubernetes.io/instance": "somebody-else"},
        "annotations": {"note": "b", "kafkatrigger.dev/config-hash": "forged"},
        "imagePullSecrets": [{"name": "mine"}],
        "serviceAccountName": "account",
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
        "priorityClassName": "high",
        "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}],
        "volumeMounts": [{"name": "models", "mountPath": "/models", "readOnly": True}],
    },
    "scaling": {"replicas": 3},
}

GIVEN = settings(
    imagePullSecrets=["shared", "mine"],
    proxy={"httpProxy": "http://proxy:3128", "httpsProxy": "http://proxy:3128", "noProxy": ".svc"},
)


def made(spec: dict[str, Any], *, hold: bool = False, given: Any = GIVEN) -> list[Manifest]:
    return manifests(trigger(), accepted(spec, given), given, hold=hold)


@pytest.mark.parametrize(("name", "spec"), [("minimal", {}), ("full", FULL)])
def test_golden(name: str, spec: dict[str, Any]) -> None:
    given = settings() if name == "minimal" else GIVEN
    text = yaml.safe_dump_all(made(spec, given=given), sort_keys=False, width=130)
    file = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text)
    assert list(yaml.safe_load_all(text)) == list(yaml.safe_load_all(file.read_text()))


def deployment(spec: dict[str, Any], **options: Any) -> Manifest:
    return made(spec, **options)[1]


@pytest.mark.parametrize(
    ("spec", "hold", "replicas"),
    [
        ({}, False, 1),
        ({"scaling": {"replicas": 0}}, False, 0),
        ({"suspend": True, "scaling": {"replicas": 3}}, False, 0),
        ({}, True, 0),
    ],
)
def test_replicas(spec: dict[str, Any], hold: bool, replicas: int) -> None:
    assert deployment(spec, hold=hold)["spec"]["replicas"] == replicas


@pytest.mark.parametrize("spec", [{"suspend": True}, {"scaling": {"replicas": 5}}])
def test_scaling_does_not_roll_the_pods(spec: dict[str, Any]) -> None:
    assert deployment(spec)["spec"]["template"] == deployment({})["spec"]["template"]


@pytest.mark.parametrize(
    "spec",
    [
        {"delivery": {"timeout": "31s"}},
        {"source": {"topics": ["machine-data"], "initialOffsetResetPolicy": "latest"}},
        {"source": {"topics": ["machine-data"], "partitionTimestamps": {"machine-data": {"0": 1}}}},
        {"transformation": {"function": "package.module:other"}},
        {"runtime": {"env": [{"name": "A", "value": "1"}]}},
    ],
)
def test_other_changes_roll_the_pods(spec: dict[str, Any]) -> None:
    def hash_of(spec: dict[str, Any]) -> str:
        value: str = deployment(spec)["spec"]["template"]["metadata"]["annotations"][TEMPLATE_HASH]
        return value

    assert hash_of(spec) != hash_of({})


def test_long_timestamps_are_not_shown_as_an_annotation() -> None:
    timestamps = {"machine-data": {str(number): 1715764260123 for number in range(100)}}
    annotations = deployment({"source": {"topics": ["machine-data"], "partitionTimestamps": timestamps}})["spec"][
        "template"
    ]["metadata"]["annotations"]
    assert TIMESTAMPS not in annotations


def test_pods_meet_the_restricted_standard() -> None:
    pod = deployment(FULL)["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    users = set()
    for container in [*pod["initContainers"], *pod["containers"]]:
        security = container["securityContext"]
        assert not security["allowPrivilegeEscalation"]
        assert security["readOnlyRootFilesystem"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        users.add(security["runAsUser"])
    assert len(users) == 2


def test_the_runtime_sees_nothing_of_the_consumers() -> None:
    runtime = deployment(FULL)["spec"]["template"]["spec"]["initContainers"][0]
    assert "kafkatrigger-config" not in {mount["name"] for mount in runtime["volumeMounts"]}
    assert not [each for each in runtime["env"] if each["name"].startswith("KAFKATRIGGER_")]
