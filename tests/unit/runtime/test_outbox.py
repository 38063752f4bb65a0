"""Outcomes on their way back."""

import asyncio

from kafkatrigger.api import frames
from kafkatrigger.api.frames import FrameBuffer, Results
from kafkatrigger.runtime.outbox import Outbox


def sent(*outcomes: tuple[int, int]) -> list[tuple[int, list[int] | None]]:
    """Batch and indexes of each frame, where messages of these batches and indexes finish in one interval."""

    async def collect() -> bytes:
        written = bytearray()
        outbox = Outbox(written.extend)
        for batch, index in outcomes:
            outbox.add(batch, index, b"1")
        outbox.flush()
        return bytes(written)

    found = [frames.from_runtime.decode(each) for each in FrameBuffer().feed(asyncio.run(collect()))]
    return [(each.batch, each.indexes) for each in found if isinstance(each, Results)]


def test_a_lane_in_two_batches_is_answered_in_its_order() -> None:
    """Another lane of the second batch is the first to finish."""
    first, second, other = (1, 5), (2, 1), (2, 0)
    assert sent(other, first, second) == [(1, [5]), (2, [0, 1])]
