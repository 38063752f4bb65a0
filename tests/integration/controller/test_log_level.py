"""The annotation of a trigger that sets the log level of its pods: copied to them, replacing none."""

from tests.integration.controller.world import PATIENCE, World
from tests.support.kubernetes import DEPLOYMENTS, PODS, TRIGGERS
from tests.support.waiting import until

LEVEL = "kafkatrigger.dev/log-level"


def annotate(world: World, level: str | None) -> None:
    world.api.merge(world.path(TRIGGERS, "rul"), {"metadata": {"annotations": {LEVEL: level}}})


def levels(world: World) -> dict[str, str | None]:
    """What each pod was told."""
    pods = world.api.items(world.path(PODS))
    return {pod["metadata"]["name"]: pod["metadata"]["annotations"].get(LEVEL) for pod in pods}


def wait_levels(world: World, *wanted: str | None) -> None:
    until(lambda: list(levels(world).values()) == list(wanted), PATIENCE, f"{wanted}")


def test_pods_learn_of_it_and_stay(world: World) -> None:
    world.apply()
    world.pods(1)
    generation, pods = world.child(DEPLOYMENTS)["metadata"]["generation"], set(levels(world))
    annotate(world, "debug")
    wait_levels(world, "debug")
    annotate(world, None)
    wait_levels(world, None)
    assert (world.child(DEPLOYMENTS)["metadata"]["generation"], set(levels(world))) == (generation, pods)


def test_a_new_pod_learns_of_it_as_well(world: World) -> None:
    world.apply()
    annotate(world, "debug")
    wait_levels(world, "debug")
    world.apply(scaling={"replicas": 2})
    wait_levels(world, "debug", "debug")
