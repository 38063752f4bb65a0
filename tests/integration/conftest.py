"""Fixtures of the integration suite: real things that start in seconds, shared by the session."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.support.kubernetes import TRIGGERS, Api, read_yaml

CRD = Path(__file__).parents[2] / "crds" / "kafkatriggers.yaml"


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A Kubernetes API with the built-in controllers and our definition; no nodes, so pods stay pending."""
    with ControlPlane(controllers=True) as running:
        api = Api(running.kubeconfig)
        (definition,) = read_yaml(CRD)
        api.apply(
            f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}", definition
        )
        _wait_for_definition(api)
        yield running


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> Api:
    """The control plane as its administrator."""
    return Api(control_plane.kubeconfig)


@pytest.fixture
def namespace(api: Api, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = request.node.name.lower().replace("_", "-").split("[")[0][-40:].strip("-")
    return api.make_namespace(f"{name}-{time.monotonic_ns() % 1_000_000}")


def _wait_for_definition(api: Api) -> None:
    deadline = time.monotonic() + 20
    while api.get(TRIGGERS.format("default")) is None:
        assert time.monotonic() < deadline, "the definition is not served"
        time.sleep(0.1)
