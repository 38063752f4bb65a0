"""Fixtures of the integration suite: real things that start in seconds, shared by the session."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.support.kubernetes import TRANSFORMATIONS, TRIGGERS, Api, read_yaml

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A Kubernetes API with the built-in controllers and our definitions; no nodes, so pods stay pending."""
    with ControlPlane(controllers=True) as running:
        define(Api(running.kubeconfig))
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


def define(api: Api) -> None:
    """Applies our definitions, and waits until they are served."""
    for file in CRDS.iterdir():
        (definition,) = read_yaml(file)
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"
        api.apply(path, definition)
    deadline = time.monotonic() + 20
    while any(api.get(collection.format("default")) is None for collection in (TRIGGERS, TRANSFORMATIONS)):
        assert time.monotonic() < deadline, "the definitions are not served"
        time.sleep(0.1)
