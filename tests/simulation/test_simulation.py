"""Worlds of many seeds, in each of which every promise is kept. More of them: `python -m tests.simulation --seeds 0-5000`."""

import pytest

from tests.simulation.world import World, explain

SEEDS = 300
TOGETHER = 25


@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_every_promise_is_kept(first: int) -> None:
    for seed in range(first, first + TOGETHER):
        world = World(seed)
        try:
            world.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, its history explains it
            pytest.fail(explain(world, error), pytrace=False)
