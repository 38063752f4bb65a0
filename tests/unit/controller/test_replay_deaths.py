"""Each nonce moves the offsets exactly once, wherever the operator dies, and how often."""

import random

import pytest

from kafkatrigger.controller import replay
from tests.unit.controller.dying_operator import END, DiedError, Lives, World
from tests.unit.controller.helpers import SPEC, Body

TURNS = 20
"""Of the world, for each replay: more than twice what it takes."""


class Moments:
    """Counts them, and ends the operator at some."""

    def __init__(self, *deaths: int) -> None:
        self.count, self._deaths = 0, deaths

    def __call__(self) -> None:
        self.count += 1
        if self.count in self._deaths:
            raise DiedError


def replayed_twice(moment: Moments, turns: int = TURNS) -> World:
    """A trigger that runs, is replayed from 10, then from 20."""
    world = World(SPEC, moment)
    lives = Lives(world)
    lives.turns(turns)
    for nonce, offset in (("A", 10), ("B", 20)):
        world.replay(nonce, offset)
        lives.turns(turns)
    return world


def handled(world: World) -> Body:
    status: Body = world.trigger["status"]["replay"]
    return {name: status.get(name) for name in ("nonce", "handledNonce", "phase")}


def check(world: World) -> None:
    assert world.starts == [0, 10, 20]
    assert world.checkpoints == [END, 10, 20]
    assert world.committed == END
    assert handled(world) == {"nonce": "B", "handledNonce": "B", "phase": "Done"}
    assert "Replaying" not in {each["type"] for each in world.trigger["status"]["conditions"]}


def test_without_a_death() -> None:
    world = replayed_twice(Moments())
    check(world)
    assert world.moves == [("Replay:A", 10), ("Replay:B", 20)]


def moments() -> int:
    counted = Moments()
    replayed_twice(counted)
    return counted.count


MOMENTS = moments()


def test_there_are_many_moments() -> None:
    assert MOMENTS >= 40


@pytest.mark.parametrize("moment", range(1, MOMENTS + 1))
def test_a_death_at_any_moment(moment: int) -> None:
    check(replayed_twice(Moments(moment)))


@pytest.mark.parametrize("seed", range(30))
def test_many_deaths(seed: int) -> None:
    dice = random.Random(seed)
    check(replayed_twice(Moments(*(number for number in range(MOMENTS) if dice.random() < 0.15)), 2 * TURNS))


@pytest.mark.parametrize("moment", range(1, MOMENTS // 2, 3))
def test_a_suspended_trigger_stays_so(moment: int) -> None:
    world = World({**SPEC, "suspend": True}, Moments(moment))
    lives = Lives(world)
    lives.turns(TURNS)
    world.replay("A", 10)
    lives.turns(TURNS)
    assert (world.starts, world.committed, world.checkpoint) == ([], 10, 10)
    assert handled(world) == {"nonce": "A", "handledNonce": "A", "phase": replay.CATCHING_UP}


@pytest.mark.parametrize("moment", range(1, MOMENTS // 4))
def test_a_trigger_that_is_made_with_a_replay_begins_there(moment: int) -> None:
    world = World({**SPEC, "replay": {"nonce": "A", "partitions": {"machine-data": {"0": 10}}}}, Moments(moment))
    Lives(world).turns(2 * TURNS)
    assert world.starts == [10]


def test_what_is_refused_moves_nothing_and_stops_nobody() -> None:
    world = World(SPEC, Moments())
    lives = Lives(world)
    lives.turns(TURNS)
    world.replay("A", END + 1)
    lives.turns(TURNS)
    assert (world.starts, world.moves) == ([0], [])
    assert handled(world) == {"nonce": "A", "handledNonce": None, "phase": "Refused"}


def test_another_replay_while_one_is_recorded() -> None:
    """What was recorded is finished first."""
    world = World(SPEC, Moments())
    lives = Lives(world)
    lives.turns(TURNS)
    world.replay("A", 10)
    turns = 0
    while world.trigger["status"].get("replay", {}).get("phase") != "Moving":
        lives.turns(1)
        turns += 1
        assert turns < TURNS
    world.replay("B", 20)
    lives.turns(TURNS)
    assert [reason for reason, _ in world.moves] == ["Replay:A", "Replay:B"]
    assert world.starts[-1] == 20


@pytest.mark.parametrize("death", range(1, 25))
def test_another_protocol_lets_all_leave_first(death: int) -> None:
    """A member of the former protocol is never met by one of the new."""
    world = World(SPEC, Moments())
    lives = Lives(world)
    lives.turns(TURNS)
    world.moment = Moments(death)
    source = {**SPEC["source"], "groupProtocol": "Classic"}
    world.put({**world.trigger, "spec": {**SPEC, "source": source}})
    met = []
    for _ in range(TURNS):
        lives.turns(1)
        deployment = world.objects["Deployment", "rul-consumer"]
        is_new = "Classic" in deployment["metadata"]["annotations"]["kafkatrigger.dev/membership"]
        met.append((is_new, bool(deployment["spec"]["replicas"]), world.in_group))
    assert met[-1] == (True, True, True)
    first = next(at for at, (is_new, wanted, _) in enumerate(met) if is_new and wanted)
    assert (False, False, False) in met[: first + 1]
