"""What kubectl shows and does with triggers."""

from kafkatrigger.controller.names import selector_text
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.integration.crd.test_rules import TRIGGER
from tests.support.kubernetes import TRIGGERS, Api, Body


def make(api: Api, namespace: str) -> str:
    path = f"{TRIGGERS.format(namespace)}/rul"
    metadata = {**TRIGGER["metadata"], "namespace": namespace}
    api.apply(path, {**TRIGGER, "metadata": metadata})
    return path


def status() -> Body:
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "TopicNotFound",
        "message": "no",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return {
        "conditions": [ready],
        "topicsText": "machine-data",
        "lag": 12,
        "replicas": 2,
        "selector": selector_text("rul"),
    }


def test_printed_columns(api: Api, control_plane: ControlPlane, namespace: str) -> None:
    path = make(api, namespace)
    api.merge(f"{path}/status", {"status": status()})
    lines = Kubectl(control_plane.kubeconfig)("get", "kt", "--namespace", namespace).splitlines()
    assert lines[0].split() == ["NAME", "READY", "REASON", "TOPICS", "LAG", "REPLICAS", "AGE"]
    assert lines[1].split()[:6] == ["rul", "False", "TopicNotFound", "machine-data", "12", "2"]


def test_category_and_explanation(control_plane: ControlPlane, api: Api, namespace: str) -> None:
    make(api, namespace)
    kubectl = Kubectl(control_plane.kubeconfig)
    assert "rul" in kubectl("get", "kafkatrigger", "--namespace", namespace)
    assert "Longest run of one attempt" in kubectl("explain", "kafkatrigger.spec.delivery.timeout")


def test_scale(api: Api, control_plane: ControlPlane, namespace: str) -> None:
    path = make(api, namespace)
    api.merge(f"{path}/status", {"status": status()})
    scale = api.call("GET", f"{path}/scale")
    assert scale["spec"]["replicas"] == 1
    assert scale["status"] == {"replicas": 2, "selector": selector_text("rul")}
    Kubectl(control_plane.kubeconfig)("scale", "kafkatrigger", "rul", "--replicas=3", "--namespace", namespace)
    assert api.call("GET", path)["spec"]["scaling"] == {"replicas": 3}


def test_status_is_a_subresource(api: Api, namespace: str) -> None:
    path = make(api, namespace)
    generation = api.call("GET", path)["metadata"]["generation"]
    api.merge(path, {"status": status()})
    found = api.call("GET", path)
    assert "status" not in found
    api.merge(f"{path}/status", {"status": status()})
    assert api.call("GET", path)["metadata"]["generation"] == generation
