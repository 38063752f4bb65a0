"""What an operator that ends leaves behind, and the next one finds.

Operators that other modules share serve all namespaces, and would do both: here each test runs its own.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from kafkatrigger.api.pod_status import PartitionStatus
from tests.cluster.broker import HostBroker
from tests.cluster.control_plane import ControlPlane
from tests.integration.controller import test_checkpoints, test_objects
from tests.integration.controller.operator_process import running_operator
from tests.integration.controller.speaking_pod import pod_that_says
from tests.integration.controller.test_checkpoints import TIME, speaker, wait_offsets
from tests.integration.controller.test_conditions import consuming
from tests.integration.controller.test_objects import COLLECTIONS, ROUND, settled
from tests.integration.controller.world import World
from tests.support.kubernetes import CONFIG_MAPS, TRIGGERS
from tests.support.topics import Topics

Served = Callable[[str], AbstractContextManager[None]]
"""An operator, for as long as the context; its argument is Python that shortens its waits."""


@pytest.fixture
def world(unserved: World) -> World:
    return unserved


@pytest.fixture
def served(control_plane: ControlPlane, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Served:
    @contextmanager
    def serve(hurry: str) -> Iterator[None]:
        with running_operator(
            control_plane.kubeconfig, tmp_path_factory.mktemp("operator"), hurry, watchNamespaces=[namespace]
        ) as running:
            yield
            assert "Traceback" not in running.log, running.log

    return serve


def test_the_next_one_writes_nothing(world: World, served: Served) -> None:
    with served(test_objects.HURRY):
        world.apply()
        before = settled(world)
    with served(test_objects.HURRY):
        time.sleep(ROUND)  # nothing is to happen, so there is nothing to wait for
        assert world.versions() == before


def test_blocked_keys_stay(world: World, served: Served) -> None:
    with served(""):
        world.apply()
        (pod,) = world.pods(1)
        with pod_that_says(consuming(blocked_keys=2)) as speaking:
            world.set_pod(pod, ready=True, ip=speaking.address)
            before = world.wait_condition("KeysBlocked", "True", "KeysBlocked")
    with served(""):
        world.apply(suspend=True)  # whatever makes it write the status: nobody answers any more
        world.wait_condition("Suspended", "True", "Suspended")
        assert world.conditions()["KeysBlocked"] == {**before, "observedGeneration": 2}
        assert world.trigger()["status"]["blockedKeys"] == {"count": 2}


def test_the_next_one_goes_on_where_the_checkpoint_is(world: World, served: Served, broker: HostBroker) -> None:
    topic = Topics(broker.bootstrap).create(partitions=2)
    world.servers = [broker.bootstrap]
    with ExitStack() as stack:
        with served(test_checkpoints.HURRY):
            world.apply(source={"topics": [topic]}, scaling={"replicas": 2})
            ats = [PartitionStatus(topic, number, 5, 5, 0, "Committed", timestamp=TIME) for number in range(2)]
            both = [speaker(world, pod, at, stack) for pod, at in zip(world.pods(2), ats, strict=True)]
            wait_offsets(world, topic, p0=5, p1=5)
        both[0].commit(3)
        both[1].commit(8)
        with served(test_checkpoints.HURRY):
            wait_offsets(world, topic, p0=5, p1=8)


def test_deletion_needs_none(world: World, served: Served) -> None:
    with served(""):
        world.apply()
        world.pods(1)
    bystander = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bystander"}, "data": {}}
    world.api.apply(world.path(CONFIG_MAPS, "bystander"), bystander)
    world.delete()
    for collection in COLLECTIONS:
        world.wait_no_object(collection, "rul-consumer")
    assert world.api.get(world.path(TRIGGERS, "rul")) is None
    assert world.api.get(world.path(CONFIG_MAPS, "bystander"))
