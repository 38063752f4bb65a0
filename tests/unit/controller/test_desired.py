"""The manifests of triggers, compared with files. `UPDATE_GOLDEN=1 pytest` writes them anew."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from kafkatrigger.api import logs
from kafkatrigger.api.adapters import SECRETS_PATH
from kafkatrigger.api.checkpoint import CHECKPOINT_PATH, CHUNKS
from kafkatrigger.api.consumer_config import CONTROL_SOCKET, CREDENTIALS_PATH
from kafkatrigger.api.stop import REVISION_VARIABLE, STOPPED_PATH
from kafkatrigger.controller.desired import Manifest, manifests
from kafkatrigger.controller.names import REVISION, STOPPED, TEMPLATE_HASH, TIMESTAMPS
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
    "tracing": {"endpoint": "http://otel-collector.observability:4318/", "samplingRatio": 0.5},
}

STREAM: dict[str, Any] = {
    "transformation": {
        "ref": {"name": "rul-1-0-0", "versionTag": "1.0.0"},
        "wiring": {
            "inputs": [{"name": "series", "from": "value.series"}, {"name": "limit", "value": 1.3}],
            "outputs": [{"name": "forecast", "topic": "rul-forecasts"}, {"name": "stored", "adapter": "plant-db"}],
        },
        "adapters": [
            {"name": "files", "type": "local_file", "options": {"folder": "/data"}},
            {"name": "plant-db", "type": "sql", "secret": {"name": "plant-7-db"}},
        ],
    }
}
REQUESTS: dict[str, Any] = {
    "transformation": {"request": {"schema": "Execute"}},
    "response": {"topic": "results", "maxBytes": "20Mi"},
    "podTemplate": {"serviceAccountName": "theirs"},
}

GIVEN = settings(
    imagePullSecrets=["shared", "mine"],
    proxy={"httpProxy": "http://proxy:3128", "httpsProxy": "http://proxy:3128", "noProxy": ".svc"},
)


def made(spec: dict[str, Any], *, hold: bool = False, stuck: bool = False, given: Any = GIVEN) -> list[Manifest]:
    return manifests(trigger(), accepted(spec, given), given, hold=hold, membership="{}", is_stuck=stuck)


@pytest.mark.parametrize(
    ("name", "spec"), [("minimal", {}), ("full", FULL), ("stream", STREAM), ("requests", REQUESTS)]
)
def test_golden(name: str, spec: dict[str, Any]) -> None:
    given = GIVEN if name == "full" else settings()
    text = yaml.safe_dump_all(made(spec, given=given), sort_keys=False, width=130)
    file = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text)
    assert list(yaml.safe_load_all(text)) == list(yaml.safe_load_all(file.read_text()))


def by_kind(spec: dict[str, Any], kind: str, **options: Any) -> Manifest:
    (found,) = [each for each in made(spec, **options) if each["kind"] == kind]
    return found


def deployment(spec: dict[str, Any], **options: Any) -> Manifest:
    return by_kind(spec, "Deployment", **options)


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


@pytest.mark.parametrize("spec", [{"suspend": True}, {"scaling": {"replicas": 5}}, {"deletionPolicy": "DeleteGroup"}])
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


def annotations_of(spec: dict[str, Any], **options: Any) -> dict[str, str]:
    found: dict[str, str] = deployment(spec, **options)["spec"]["template"]["metadata"]["annotations"]
    return found


@pytest.mark.parametrize(
    "spec",
    [
        {"transformation": {"function": "package.module:other"}},
        {"transformation": {"ref": {"name": "a"}}},
        {"runtime": {"image": "mine:3"}},
        {"delivery": {"onFailure": "Skip"}},
        {"podTemplate": {"nodeSelector": {"disk": "fast"}}},
    ],
)
def test_a_changed_spec_is_another_revision(spec: dict[str, Any]) -> None:
    assert annotations_of(spec)[REVISION] != annotations_of({})[REVISION]


@pytest.mark.parametrize(
    "spec",
    [
        {"suspend": True},
        {"scaling": {"replicas": 5}},
        {"delivery": {"timeout": "30s", "breaker": {}}},
        {"tracing": {"endpoint": "http://c"}},
    ],
)
def test_the_same_revision(spec: dict[str, Any]) -> None:
    """Nothing that a stop should not outlive: how many pods there are, defaults that are written out, traces."""
    assert annotations_of(spec)[REVISION] == annotations_of({})[REVISION]


def test_other_images_of_ours_are_no_new_revision() -> None:
    upgraded = settings(consumer={"image": "consumer:2"}, runtime={"image": "runtime:2"})
    assert annotations_of({}, given=upgraded)[REVISION] == annotations_of({}, given=settings())[REVISION]
    assert annotations_of({}, given=upgraded)[TEMPLATE_HASH] != annotations_of({}, given=settings())[TEMPLATE_HASH]


def test_the_consumer_knows_its_revision() -> None:
    template = deployment({})["spec"]["template"]
    (consumer,) = template["spec"]["containers"]
    variables = {each["name"]: each.get("value") for each in consumer["env"]}
    assert variables[REVISION_VARIABLE] == template["metadata"]["annotations"][REVISION]


@pytest.mark.parametrize("name", ["stopped", "revision", "anything"])
def test_annotations_of_ours_cannot_be_forged(name: str) -> None:
    forged = {f"kafkatrigger.dev/{name}": "forged", "kafkatrigger.dev.example.com/x": "theirs"}
    found = annotations_of({"podTemplate": {"annotations": forged}})
    assert "forged" not in found.values()
    assert found["kafkatrigger.dev.example.com/x"] == "theirs"


def mounts(container: Manifest) -> dict[str, str]:
    return {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}


def test_the_consumer_alone_can_be_asked_and_told() -> None:
    pod = deployment(FULL)["spec"]["template"]["spec"]
    (consumer,), (runtime,) = pod["containers"], pod["initContainers"]
    own = {mounts(consumer)[str(Path(path).parent)] for path in (CONTROL_SOCKET, STOPPED_PATH)}
    assert own == {"kafkatrigger-control", "kafkatrigger-pod"}
    assert not own & set(mounts(runtime).values())
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["kafkatrigger-control"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Mi"}
    (item,) = volumes["kafkatrigger-pod"]["downwardAPI"]["items"]
    assert item["path"] == Path(STOPPED_PATH).name
    assert item["fieldRef"]["fieldPath"] == f"metadata.annotations['{STOPPED}']"


def test_the_consumer_alone_sees_the_checkpoint_whatever_there_is_of_it() -> None:
    pod = deployment(FULL)["spec"]["template"]["spec"]
    (consumer,), (runtime,) = pod["containers"], pod["initContainers"]
    assert mounts(consumer)[str(CHECKPOINT_PATH)] == "kafkatrigger-checkpoint"
    assert "kafkatrigger-checkpoint" not in mounts(runtime).values()
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    sources = [source["configMap"] for source in volumes["kafkatrigger-checkpoint"]["projected"]["sources"]]
    assert sources == [{"name": f"rul-consumer-checkpoint-{number}", "optional": True} for number in range(CHUNKS)]


WIRED = STREAM["transformation"]
INPUTS = WIRED["wiring"]["inputs"]


@pytest.mark.parametrize(
    "changes",
    [
        {"ref": {"name": "rul-1-0-1", "versionTag": "1.0.0"}},
        {"ref": {"name": "rul-1-0-0", "versionTag": "1.0.1"}},
        {"wiring": {**WIRED["wiring"], "inputs": [INPUTS[0], {"name": "limit", "value": 1.4}]}},
        {"wiring": {**WIRED["wiring"], "inputs": [{"name": "series", "from": "value"}, INPUTS[1]]}},
        {"wiring": {**WIRED["wiring"], "outputs": []}},
        {"adapters": [{**WIRED["adapters"][0], "options": {"folder": "/other"}}, WIRED["adapters"][1]]},
        {"adapters": [WIRED["adapters"][0], {**WIRED["adapters"][1], "secret": {"name": "other"}}]},
    ],
)
def test_what_is_said_of_transformations_is_of_the_revision(changes: dict[str, Any]) -> None:
    found = annotations_of({"transformation": {**WIRED, **changes}})
    before = annotations_of(STREAM)
    assert found[REVISION] != before[REVISION]
    assert found[TEMPLATE_HASH] != before[TEMPLATE_HASH]


@pytest.mark.parametrize("spec", [STREAM, REQUESTS])
def test_the_consumer_alone_has_a_token(spec: dict[str, Any]) -> None:
    pod = by_kind(spec, "Deployment")["spec"]["template"]["spec"]
    (consumer,), (runtime,) = pod["containers"], pod["initContainers"]
    assert mounts(consumer)[CREDENTIALS_PATH] == "kafkatrigger-token"
    assert "kafkatrigger-token" not in mounts(runtime).values()
    assert pod["automountServiceAccountToken"] is False
    without = by_kind({}, "Deployment")["spec"]["template"]["spec"]
    assert "serviceAccountToken" not in str(without)
    assert "serviceAccountName" not in without


def test_the_runtime_alone_has_secrets_of_adapters() -> None:
    pod = by_kind(STREAM, "Deployment")["spec"]["template"]["spec"]
    (consumer,), (runtime,) = pod["containers"], pod["initContainers"]
    volume = mounts(runtime)[f"{SECRETS_PATH}/plant-db"]
    assert {each["name"]: each for each in pod["volumes"]}[volume]["secret"] == {"secretName": "plant-7-db"}
    assert all(each["readOnly"] for each in runtime["volumeMounts"] if each["name"] == volume)
    assert volume not in mounts(consumer).values()


def test_an_account_of_the_users_own_is_bound() -> None:
    assert [each["kind"] for each in made(REQUESTS)] == [
        *("ConfigMap", "RoleBinding", "Deployment", "PodDisruptionBudget")
    ]
    assert by_kind(REQUESTS, "RoleBinding")["subjects"][0]["name"] == "theirs"


def test_another_role_is_another_binding() -> None:
    """What a binding binds can never change."""
    names = {
        by_kind(STREAM, "RoleBinding", given=given)["metadata"]["name"]
        for given in (
            settings(),
            settings(watchNamespaces=["plant-7"]),
            settings(transformationReader="other-transformations"),
        )
    }
    assert len(names) == 3


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
    ours = {each["name"] for each in runtime["env"] if each["name"].startswith("KAFKATRIGGER_")}
    assert ours == {logs.LEVEL_FILE_VARIABLE}


def test_both_containers_learn_of_the_log_level_while_they_run() -> None:
    pod = deployment({})["spec"]["template"]["spec"]
    for container in [*pod["initContainers"], *pod["containers"]]:
        (path,) = [each["value"] for each in container["env"] if each["name"] == logs.LEVEL_FILE_VARIABLE]
        assert mounts(container)[str(Path(path).parent)] == "kafkatrigger-log"
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    (item,) = volumes["kafkatrigger-log"]["downwardAPI"]["items"]
    assert item["path"] == Path(path).name
    assert item["fieldRef"]["fieldPath"] == f"metadata.annotations['{logs.LEVEL_ANNOTATION}']"
