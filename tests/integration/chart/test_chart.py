"""The chart, rendered with several values, and the settings that the operator reads from it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kafkatrigger.api.crd import DEFINITIONS
from kafkatrigger.api.resources import GROUP
from kafkatrigger.controller.settings import Settings, load
from tests.support.chart import CHART, ChartRefusedError, helm, only, rendered

LOCAL = {
    "imageRegistry": "localhost",
    "images": {name: {"tag": "dev"} for name in ("operator", "consumer", "runtime")},
}


def settings(values: dict[str, Any], folder: Path) -> Settings:
    config = next(each for each in rendered(values) if each["kind"] == "ConfigMap")
    path = folder / "operator.yaml"
    path.write_text(config["data"]["operator.yaml"])
    return load(path)


def test_lint() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART)


def test_the_operator_reads_what_the_chart_writes(tmp_path: Path) -> None:
    values = {
        **LOCAL,
        "groupIdPrefix": "acme.",
        "watchNamespaces": ["a", "b"],
        "imagePullSecrets": ["pull"],
        "proxy": {"httpProxy": "http://p", "noProxy": ".svc"},
        "defaults": {"delivery": {"timeout": "1m"}, "source": {"initialOffsetResetPolicy": 5}},
        "operator": {"reconcilers": 4},
    }
    found = settings(values, tmp_path)
    assert found.consumer.image == "localhost/kafkatrigger/consumer:dev"
    assert (found.runtime.image, found.runtime.pull_policy) == ("localhost/kafkatrigger/runtime:dev", "IfNotPresent")
    assert (found.group_id_prefix, found.watch_namespaces, found.image_pull_secrets) == ("acme.", ["a", "b"], ["pull"])
    assert (found.proxy.http_proxy, found.proxy.https_proxy, found.proxy.no_proxy) == ("http://p", "", ".svc")
    assert found.defaults == values["defaults"]
    assert found.reconcilers == 4
    assert (found.reader_kind, found.transformation_reader) == ("Role", "kt-kafkatrigger-transformations")


def test_without_values(tmp_path: Path) -> None:
    found = settings({}, tmp_path)
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert found.consumer.image == f"kafkatrigger/consumer:{version}"
    assert found.defaults == {}


def test_the_operators_deployment() -> None:
    deployment = only(rendered({**LOCAL, "imagePullSecrets": ["pull"]}), "Deployment")
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "localhost/kafkatrigger/operator:dev"
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()


def test_new_settings_restart_the_operator() -> None:
    def checksum(values: dict[str, Any]) -> str:
        annotations = only(rendered(values), "Deployment")["spec"]["template"]["metadata"]["annotations"]
        text: str = annotations["checksum/settings"]
        return text

    assert checksum({}) == checksum({})
    assert checksum({}) != checksum({"groupIdPrefix": "x"})


def test_a_digest_is_no_tag() -> None:
    images = {"operator": {"tag": "sha256:abc"}}
    (container,) = only(rendered({"images": images}), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "kafkatrigger/operator@sha256:abc"


def test_the_definitions_are_templates_that_stay() -> None:
    manifests = [each for each in rendered() if each["kind"] == "CustomResourceDefinition"]
    specs = {each["metadata"]["name"]: each["spec"] for each in manifests}
    assert specs == {f"{plural}.{GROUP}": make()["spec"] for plural, make in DEFINITIONS.items()}
    assert all(each["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"} for each in manifests)
    assert "CustomResourceDefinition" not in {each["kind"] for each in rendered({"crds": {"install": False}})}


def test_no_wildcards_in_the_rights() -> None:
    roles = [each for each in rendered() if each["kind"] in ("Role", "ClusterRole")]
    assert len(roles) == 5
    assert "*" not in str([each["rules"] for each in roles])


def test_aggregated_roles_can_be_left_out() -> None:
    names = [each["metadata"]["name"] for each in rendered({"aggregatedRoles": False}) if each["kind"] == "ClusterRole"]
    assert names == ["kt-kafkatrigger", "kt-kafkatrigger-transformations"]


def test_some_namespaces_need_no_right_in_all() -> None:
    manifests = rendered({"watchNamespaces": ["a", "b"], "aggregatedRoles": False})
    assert not [each for each in manifests if each["kind"].startswith("ClusterRole")]
    assert [each["metadata"]["namespace"] for each in manifests if each["kind"] == "RoleBinding"] == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"colour": "red"}, "'colour' not allowed"),
        ({"defaults": {"colour": "red"}}, "'colour' not allowed"),
        ({"defaults": {"delivery": {"timeout": "soon"}}}, "does not match pattern"),
        ({"defaults": {"scaling": {"replicas": 2}}}, "'scaling' not allowed"),
        ({"defaults": {"source": {"groupId": "g"}}}, "'groupId' not allowed"),
        ({"images": {"runtime": {"pullPolicy": "Sometimes"}}}, "must be one of"),
        ({"watchNamespaces": "a"}, "want array"),
        ({"operator": {"reconcilers": 0}}, "minimum"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ChartRefusedError, match=sentence):
        rendered(values)
