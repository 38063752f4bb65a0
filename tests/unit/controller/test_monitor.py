"""Questions to the outside: asked once, asked again, and told to those who wait."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

from kafkatrigger.controller.monitor import Monitor

Scenario = Callable[[Monitor[str, str, int], list[str]], Awaitable[None]]


class World:
    """Answers that change."""

    def __init__(self) -> None:
        self.answer, self.asked = 1, 0
        self.fails = False
        self.gate = threading.Event()
        self.gate.set()

    def ask(self, _question: str) -> int:
        self.asked += 1
        self.gate.wait(5)
        if self.fails:
            raise OSError("asked in vain")
        return self.answer


def play(world: World, scenario: Scenario) -> None:
    async def run() -> None:
        told: list[str] = []
        monitor: Monitor[str, str, int] = Monitor(
            "test", world.ask, lambda _before, found: (found, 0.02), told.append, 2
        )
        task = asyncio.create_task(monitor.run())
        try:
            await asyncio.wait_for(scenario(monitor, told), 5)
        finally:
            world.gate.set()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_answers_come_later_and_only_changes_are_told() -> None:
    world = World()

    async def scenario(monitor: Monitor[str, str, int], told: list[str]) -> None:
        assert monitor.watch("key", ["q"]) == {}
        await until(lambda: told)
        assert monitor.watch("key", ["q"]) == {"q": 1}
        asked = world.asked
        await until(lambda: world.asked > asked + 3)
        assert told == ["key"]
        world.answer = 2
        await until(lambda: told == ["key", "key"])
        assert monitor.watch("key", ["q"]) == {"q": 2}

    play(world, scenario)


def test_equal_questions_are_asked_once_and_all_are_told() -> None:
    world = World()
    world.gate.clear()

    async def scenario(monitor: Monitor[str, str, int], told: list[str]) -> None:
        monitor.watch("one", ["q"])
        monitor.watch("two", ["q"])
        await until(lambda: world.asked == 1)
        world.gate.set()
        await until(lambda: sorted(told) == ["one", "two"])

    play(world, scenario)


def test_what_nobody_wants_to_know_is_asked_no_more() -> None:
    world = World()

    async def scenario(monitor: Monitor[str, str, int], told: list[str]) -> None:
        monitor.watch("one", ["q"])
        await until(lambda: told)
        monitor.forget("one")
        await asyncio.sleep(0.03)
        asked = world.asked
        await asyncio.sleep(0.1)
        assert world.asked == asked
        monitor.forget("never known")

    play(world, scenario)


def test_a_question_that_fails_is_asked_again() -> None:
    world = World()
    world.fails = True

    async def scenario(monitor: Monitor[str, str, int], told: list[str]) -> None:
        monitor.watch("key", ["q"])
        await until(lambda: world.asked >= 2)
        world.fails = False
        await until(lambda: told)

    play(world, scenario)
