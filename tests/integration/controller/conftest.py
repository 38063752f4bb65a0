"""An operator that the tests of this folder share; each test has a namespace of its own."""

from collections.abc import Iterator

import pytest

from tests.cluster.broker import HostBroker
from tests.cluster.control_plane import ControlPlane
from tests.integration.controller.operator_process import OperatorProcess, running_operator
from tests.integration.controller.world import World
from tests.support.kubernetes import Api


@pytest.fixture(scope="module")
def operator(
    request: pytest.FixtureRequest, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """One for each module, which may shorten its waits by Python that it calls HURRY."""
    hurry = getattr(request.module, "HURRY", "")
    with running_operator(control_plane.kubeconfig, tmp_path_factory.mktemp("operator"), hurry) as running:
        yield running
        assert running.process.poll() is None, running.log
        assert "Traceback" not in running.log, running.log


@pytest.fixture
def unserved(api: Api, namespace: str) -> Iterator[World]:
    """The test's namespace, for operators of its own; its triggers are removed at the end."""
    here = World(api, namespace)
    yield here
    here.remove_triggers()


@pytest.fixture
def world(operator: OperatorProcess, unserved: World) -> World:
    """The test's namespace, served by the operator."""
    return unserved


@pytest.fixture
def connected_world(world: World, broker: HostBroker) -> World:
    """A world whose triggers use a real broker."""
    world.servers = [broker.bootstrap]
    return world
