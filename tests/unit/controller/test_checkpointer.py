"""How many writes checkpoints make, and that a failure costs no more than its own."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from kafkatrigger.api.moves import Move
from kafkatrigger.controller import checkpointer
from kafkatrigger.controller.cache import Cache, Key, Trigger
from kafkatrigger.controller.checkpointer import Checkpointer
from kafkatrigger.controller.cluster import Cluster, ClusterError
from kafkatrigger.controller.conditions import no
from kafkatrigger.controller.observation import Observation, Remembered
from kafkatrigger.controller.replay import CATCHING_UP, Memory, Step
from kafkatrigger.controller.reports import Held, Report
from kafkatrigger.controller.witnesses import Witnesses
from kafkatrigger.kafka.brokers import Finding, FoundTopic
from tests.unit.controller.helpers import body, make_observation, make_pod, make_workload

SEEN = make_observation(
    workload=make_workload(make_pod("a")), finding=Finding(topics=(FoundTopic("machine-data", 1),)), group_id="g"
)
SAID = {"uid-a": Report(True, "Consuming", "", frozenset({Held("machine-data", 0, 5, 5, "", 0)}), group_id="g")}


class Api:
    """Counts writes; refuses those of some triggers."""

    def __init__(self, refused: str = "") -> None:
        self.refused, self.written, self.marks = refused, list[str](), list[str]()
        self.asked, self.answers = asyncio.Event(), asyncio.Event()
        self.answers.set()

    async def get(self, *_: str) -> None:
        self.asked.set()
        await self.answers.wait()

    async def apply(self, manifest: Any) -> Any:
        name = manifest["metadata"]["name"]
        if self.refused and name.startswith(self.refused):
            raise ClusterError(500, "refused")
        self.written.append(name)
        self.marks.append(manifest["data"]["0.json"])
        return manifest


class Words:
    """Pods that said the same of every trigger."""

    def __init__(self) -> None:
        self.said = SAID

    def reports(self, _: Key) -> dict[str, Report]:
        return self.said

    def silence(self, _: Key) -> None:
        self.said = {}

    def release(self, *_: object) -> None:
        pass


def taken(
    api: Api, names: list[str], done: Callable[[], bool], told: list[Key], others: Mapping[str, Observation] = {}
) -> float:
    """Seconds until `done`, from when the triggers are known; `others` are what is seen of some of them."""

    async def story() -> float:
        cache = Cache()
        taker = Checkpointer(cache, cast("Cluster", api), cast("Witnesses", Words()), told.append)
        for name in names:
            taker.note(cast("Trigger", cache.trigger(cache.observe(body(name)))), others.get(name, SEEN))
        begun, task = time.monotonic(), asyncio.create_task(taker.run())
        while not done():
            await asyncio.sleep(0.005)
            assert time.monotonic() - begun < 30
        task.cancel()
        return time.monotonic() - begun

    return asyncio.run(story())


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointer, "FIRST_PAUSE", 0.01)


def test_writes_are_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointer, "RATE", 40.0)
    names, api, told = [f"t{number}" for number in range(20)], Api(), list[Key]()
    # A ConfigMap and a status of each; what comes last is not waited for.
    assert taken(api, names, lambda: len(told) >= 20, told) >= 38 / 40


def test_one_that_is_refused_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointer, "RATE", 1000.0)
    api, told = Api("bad"), list[Key]()
    taken(api, ["bad", "good"], lambda: Key("plant-7", "good") in told, told)
    assert set(api.written) == {"good-consumer-checkpoint-0"}
    assert Key("plant-7", "bad") not in told


def test_none_is_taken_of_pods_that_may_be_of_other_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointer, "RATE", 1000.0)
    api, told = Api(), list[Key]()
    waiting = replace(SEEN, awaited=no("BrokersAwaited", "x"))
    taken(api, ["waiting", "good"], lambda: told.count(Key("plant-7", "good")) >= 5, told, {"waiting": waiting})
    assert set(api.written) == {"good-consumer-checkpoint-0"}


def test_the_interval_grows_with_the_triggers() -> None:
    taker = Checkpointer(Cache(), cast("Cluster", Api()), cast("Witnesses", Words()), lambda _: None)
    taker._seen = {Key("n", str(number)): SEEN for number in range(10)}
    assert taker._interval == 300
    taker._seen = {Key("n", str(number)): SEEN for number in range(5000)}
    assert taker._interval == 1250


def test_what_pods_said_before_a_replay_takes_nothing_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a checkpoint of it is being taken when the offsets are moved."""
    monkeypatch.setattr(checkpointer, "RATE", 1000.0)
    api, words, cache = Api(), Words(), Cache()
    taker = Checkpointer(cache, cast("Cluster", api), cast("Witnesses", words), lambda _: None)
    replayed = cast("Trigger", cache.trigger(cache.observe(body())))
    memory = Memory("n", "n", CATCHING_UP, moves=(Move("machine-data", 0, 2, 9),))
    at_rest = make_observation(finding=SEEN.finding, suspended=True, replay=Step(memory))

    async def story() -> None:
        api.answers.clear()
        task = asyncio.create_task(taker.run())
        taker.note(replayed, SEEN)
        await api.asked.wait()
        move = asyncio.create_task(taker.move(replayed, at_rest))
        await asyncio.sleep(0.01)
        api.answers.set()
        assert await move == Remembered({}, None)
        taker.note(replayed, at_rest)
        await asyncio.sleep(0.1)
        task.cancel()

    asyncio.run(story())
    assert api.marks == ['{"machine-data":{"0":[5,5,""]}}', '{"machine-data":{"0":[2,null,""]}}']
    assert words.said == {}
    assert taker.untold(replayed.key) is None
