"""The queue's semantics, those of client-go's workqueue."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from kafkatrigger.controller.queue import WorkQueue


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 5))


def test_a_waiting_key_is_not_added_twice() -> None:
    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        for key in ("a", "b", "a", "a"):
            queue.add(key)
        assert [await queue.get(), await queue.get()] == ["a", "b"]
        assert len(queue) == 0

    run(scenario())


def test_a_key_in_work_is_processed_again_afterwards() -> None:
    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")
        key = await queue.get()
        queue.add("a")
        queue.add("a")
        assert len(queue) == 0
        queue.done(key)
        assert await queue.get() == "a"
        queue.done("a")
        assert len(queue) == 0

    run(scenario())


def test_a_key_is_never_in_work_twice() -> None:
    async def scenario() -> None:
        queue: WorkQueue[int] = WorkQueue()
        at_work: set[int] = set()
        runs = 0

        async def worker() -> None:
            nonlocal runs
            while True:
                key = await queue.get()
                assert key not in at_work
                at_work.add(key)
                queue.add_after(key, 0.001)
                await asyncio.sleep(0.002)
                at_work.discard(key)
                runs += 1
                queue.done(key)

        workers = [asyncio.create_task(worker()) for _ in range(8)]
        for key in range(3):
            queue.add(key)
        await asyncio.sleep(0.2)
        for each in workers:
            each.cancel()
        assert all(
            isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*workers, return_exceptions=True)
        )
        assert runs > 30

    run(scenario())


def test_every_waiting_worker_is_woken() -> None:
    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        workers = [asyncio.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0)
        for key in ("a", "b", "c"):
            queue.add(key)
        assert sorted(await asyncio.gather(*workers)) == ["a", "b", "c"]

    run(scenario())


def test_of_two_times_the_earlier_wins() -> None:
    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        started = asyncio.get_running_loop().time()
        queue.add_after("a", 3)
        queue.add_after("a", 0.05)
        queue.add_after("a", 2)
        assert await queue.get() == "a"
        assert asyncio.get_running_loop().time() - started < 1

    run(scenario())


def test_backoff_doubles_per_key_up_to_a_bound_and_ends() -> None:
    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(first_delay=1, longest_delay=10)
        delays = [queue.retry("a") for _ in range(6)]
        for delay, expected in zip(delays, [1, 2, 4, 8, 10, 10], strict=True):
            assert 0.8 * expected <= delay <= 1.2 * expected
        assert queue.retry("b") <= 1.2
        queue.forget("a")
        assert queue.retry("a") <= 1.2
        queue.drop("a")
        queue.drop("b")

    run(scenario())


def test_a_dropped_key_does_not_come_back() -> None:
    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add_after("a", 0.01)
        queue.drop("a")
        await asyncio.sleep(0.05)
        assert len(queue) == 0

    run(scenario())
