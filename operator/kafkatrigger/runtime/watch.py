"""Looks after running workers, twenty times a second: how long messages run, how much memory is used, what is dead."""

import asyncio
from collections.abc import Callable, Sequence

from .memory import own_memory
from .process import reap_orphans
from .workers import ADVICE, Worker

INTERVAL = 0.05


async def watch(workers: Callable[[], Sequence[Worker]], memory_budget: int | None) -> None:
    """Ends workers whose message takes too long, and the largest one when all together use too much memory."""
    while True:
        await asyncio.sleep(INTERVAL)
        reap_orphans()
        for worker in workers():
            worker.check_timeout()
        if memory_budget is not None:
            _check_memory(workers(), memory_budget)


def _check_memory(workers: Sequence[Worker], budget: int) -> None:
    used = [(own_memory(worker.pid), worker) for worker in workers if worker.pid is not None]
    total = sum(memory for memory, _ in used)
    if total > budget:
        memory, worker = max(used, key=lambda each: each[0])
        worker.end_for_memory(
            f"the worker used {_mebibytes(memory)}, all together {_mebibytes(total)} of the {_mebibytes(budget)} "
            f"that they may: {ADVICE}"
        )


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"
