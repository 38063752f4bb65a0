"""The namespace's Transformations as a pod sees them: from a real API server, with a token of a ServiceAccount."""

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from kafkatrigger.consumer import catalog_cluster
from kafkatrigger.consumer.catalog_cluster import ApiServer, ClusterCatalog
from tests.cluster.control_plane import ControlPlane
from tests.support.kubernetes import TRANSFORMATIONS, Api, Body, read_yaml
from tests.support.waiting import until

RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/{}"
RULE = {"apiGroups": ["kafkatrigger.dev"], "resources": ["transformations"], "verbs": ["get", "list", "watch"]}


@pytest.fixture(autouse=True)
def small_pages() -> Iterator[None]:
    """So few at a time that there are several pages."""
    with mock.patch.object(catalog_cluster, "PAGE", 2):
        yield


def account(api: Api, namespace: str, folder: Path, control_plane: ControlPlane) -> ApiServer:
    """A ServiceAccount's token in a folder, as the kubelet would write it."""
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    body: Body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "pod"}}
    api.apply(f"{accounts}/pod", body)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = api.call("POST", f"{accounts}/pod/token", request)
    (folder / "token").write_text(answer["status"]["token"])
    cluster = read_yaml(control_plane.kubeconfig)[0]["clusters"][0]["cluster"]
    (folder / "ca.crt").write_bytes(_authority(cluster))
    host, _, port = cluster["server"].removeprefix("https://").partition(":")
    return ApiServer({"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}, folder)


def _authority(cluster: Body) -> bytes:
    if "certificate-authority" in cluster:
        return Path(cluster["certificate-authority"]).read_bytes()
    return base64.b64decode(cluster["certificate-authority-data"])


def allow(api: Api, namespace: str) -> None:
    kinds: dict[str, Body] = {
        "Role": {"rules": [RULE]},
        "RoleBinding": {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pod"},
            "subjects": [{"kind": "ServiceAccount", "name": "pod", "namespace": namespace}],
        },
    }
    for kind, more in kinds.items():
        manifest = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "pod"}, **more}
        api.apply(f"{RBAC.format(namespace, kind.lower() + 's')}/pod", manifest)


def put(api: Api, namespace: str, name: str, number: int, tag: str = "1") -> None:
    spec = {
        "id": f"3c1d7f0e-58a4-4c67-9f0b-{number:012}",
        "revisionGroupId": "a7e0c1de-6d0c-4f0e-8a53-70a1f2a4f7c2",
        "name": name,
        "versionTag": tag,
        "component": {"code": "def main():\n    return {}\n"},
    }
    labels = {"number": str(number)}
    manifest = {
        "apiVersion": "kafkatrigger.dev/v1alpha1",
        "kind": "Transformation",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }
    api.apply(f"{TRANSFORMATIONS.format(namespace)}/{name}", manifest)


def test_transformations_are_listed_and_followed(
    control_plane: ControlPlane, api: Api, namespace: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for number, name in enumerate("abcde"):
        put(api, namespace, name, number)
    server = account(api, namespace, tmp_path, control_plane)
    is_over = threading.Event()
    request.addfinalizer(is_over.set)
    catalog = ClusterCatalog(namespace, server, is_over.wait)
    until(lambda: "let its ServiceAccount" in catalog.problem, 20, "the refusal")
    assert catalog.listing() is None
    allow(api, namespace)

    def names() -> list[str]:
        return sorted(catalog.listing() or ())

    until(lambda: names() == list("abcde"), 60, f"the list ({catalog.problem})")
    listed = (catalog.listing() or {})["c"]
    assert (listed.labels, listed.id[-1], listed.version_tag) == ({"number": "2"}, "2", "1")
    put(api, namespace, "f", 5)
    until(lambda: names() == list("abcdef"), 20, "a new one")
    put(api, namespace, "a", 0, tag="2")
    until(lambda: (catalog.listing() or {})["a"].version_tag == "2", 20, "a change")
    api.delete(f"{TRANSFORMATIONS.format(namespace)}/b")
    until(lambda: names() == list("acdef"), 20, "a deletion")
