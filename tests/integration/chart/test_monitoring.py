"""What the chart makes for Prometheus and Grafana."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kafkatrigger.controller import names
from tests.support.chart import CHART, NAMESPACE, ChartRefusedError, only, rendered
from tests.support.kubernetes import Body, read_yaml

PODS = Path(__file__).parents[2] / "unit" / "controller" / "golden" / "minimal.yaml"
PARTS = ("podMonitor", "serviceMonitor", "prometheusRule", "dashboards")


def monitored(values: dict[str, Any] | None = None, **parts: dict[str, Any]) -> list[Body]:
    """The manifests with all of it, each part with these values."""
    monitoring = {name: {"enabled": True, **parts.get(name, {})} for name in PARTS}
    return rendered({**(values or {}), "monitoring": monitoring})


def dashboards(manifests: list[Body]) -> list[Body]:
    return [each for each in manifests if "-dashboard-" in each["metadata"]["name"]]


def test_nothing_of_it_by_default() -> None:
    manifests = rendered()
    assert not [each for each in manifests if each["apiVersion"].startswith("monitoring.coreos.com")]
    assert not dashboards(manifests)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_alone(part: str) -> None:
    usual = len(rendered())
    wanted = len(list((CHART / "files" / "dashboards").iterdir())) if part == "dashboards" else 1
    assert len(rendered({"monitoring": {part: {"enabled": True}}})) == usual + wanted


def test_the_pod_monitor_selects_the_pods_of_triggers_everywhere() -> None:
    spec = only(monitored(), "PodMonitor")["spec"]
    pod = only(read_yaml(PODS), "Deployment")["spec"]["template"]
    selected = spec["selector"]["matchLabels"]
    assert selected.items() <= pod["metadata"]["labels"].items()
    assert names.COMPONENT_LABEL in selected
    assert spec["namespaceSelector"] == {"any": True}
    (endpoint,) = spec["podMetricsEndpoints"]
    ports = [port["name"] for container in pod["spec"]["containers"] for port in container["ports"]]
    assert ([endpoint["port"]], endpoint["path"], endpoint["honorLabels"]) == (ports, "/metrics", True)


def test_the_pod_monitor_keeps_to_the_namespaces_that_are_served() -> None:
    spec = only(monitored({"watchNamespaces": ["a", "b"]}), "PodMonitor")["spec"]
    assert spec["namespaceSelector"] == {"matchNames": ["a", "b"]}


def test_the_service_monitor_selects_the_operators_service() -> None:
    manifests = monitored()
    spec, service = only(manifests, "ServiceMonitor")["spec"], only(manifests, "Service")
    assert spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert spec["namespaceSelector"]["matchNames"] == [NAMESPACE]
    assert [each["port"] for each in spec["endpoints"]] == [each["name"] for each in service["spec"]["ports"]]


def test_the_rules_are_the_file() -> None:
    file = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    assert only(monitored(), "PrometheusRule")["spec"] == file


def test_alerts_link_to_the_runbook() -> None:
    rule = only(monitored(prometheusRule={"runbook": "https://wiki/alerts"}), "PrometheusRule")
    links = [each["annotations"]["runbook_url"] for each in rule["spec"]["groups"][0]["rules"] if "alert" in each]
    assert links
    assert all(link.startswith("https://wiki/alerts#kafkatrigger") for link in links)


def test_dashboards_are_found_by_grafanas_sidecar() -> None:
    made = dashboards(monitored(dashboards={"annotations": {"grafana_folder": "Kafka"}}))
    assert {each["metadata"]["labels"]["grafana_dashboard"] for each in made} == {"1"}
    assert {each["metadata"]["annotations"]["grafana_folder"] for each in made} == {"Kafka"}
    files = {f"kafkatrigger-{path.name}": path for path in (CHART / "files" / "dashboards").iterdir()}
    shown = {name: json.loads(text) for each in made for name, text in each["data"].items()}
    assert shown == {name: json.loads(path.read_text()) for name, path in files.items()}


@pytest.mark.parametrize("part", PARTS)
def test_labels_of_your_own(part: str) -> None:
    kinds = {"podMonitor": "PodMonitor", "serviceMonitor": "ServiceMonitor", "prometheusRule": "PrometheusRule"}
    manifests = monitored(**{part: {"labels": {"release": "stack"}}})
    found = [only(manifests, kinds[part])] if part in kinds else dashboards(manifests)
    assert {each["metadata"]["labels"]["release"] for each in found} == {"stack"}


@pytest.mark.parametrize(
    ("monitoring", "sentence"),
    [
        ({"podMonitor": {"enabled": "yes"}}, "want boolean"),
        ({"podMonitor": {"interval": "soon"}}, "does not match pattern"),
        ({"grafana": {}}, "'grafana' not allowed"),
        ({"dashboards": {"labels": {"grafana_dashboard": 1}}}, "want string"),
    ],
)
def test_wrong_values_are_refused(monitoring: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ChartRefusedError, match=sentence):
        rendered({"monitoring": monitoring})
