"""Worlds of many seeds, in each of which every promise is kept. More of them: `python -m tests.simulation --seeds 0-5000`."""

from collections.abc import Callable, Collection
from unittest import mock

import pytest

from kafkatrigger.consumer.commits import Positions
from kafkatrigger.consumer.exactly_once import ExactlyOnce
from kafkatrigger.consumer.outbox import Committer
from kafkatrigger.consumer.partition import Partition
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


def test_the_last_commit_before_a_partition_moves_speaks_of_all_that_are_assigned() -> None:
    """Results of those that stay are in the same transaction."""
    asked: list[tuple[int, int]] = []
    ask = ExactlyOnce.commit_last

    def commit_last(
        outbox: ExactlyOnce, source: Committer, positions: Callable[[], Positions], leaving: Collection[Partition]
    ) -> bool:
        asked.append((len(positions()), len(source.partitions)))  # type: ignore[attr-defined]
        return ask(outbox, source, positions, leaving)

    with mock.patch.object(ExactlyOnce, "commit_last", commit_last):
        for seed in range(20):
            World(seed).run()
    assert any(assigned > 1 for _, assigned in asked)
    assert all(named == assigned for named, assigned in asked)
