"""Which results a commit can speak of, where there are more gaps than its metadata has room for. Pure.

Exactly once means that a result is published together with a commit that says so: one whose message the metadata cannot
name as terminal has to wait, or a restart would run the message, and publish its result, again.
"""

from collections.abc import Iterable, Sequence

import msgspec

from kafkatrigger.consumer.offsets import Origin, Position, Ranges, decode_metadata, encode_metadata


class Said(msgspec.Struct, frozen=True):
    """What a commit says: the metadata, and the position that a reader makes of it."""

    text: str
    position: Position


def said(origin: Origin, at: Position) -> Said:
    """As much of the position as the metadata has room for."""
    text, complete = encode_metadata(origin, at)
    return Said(text, at if complete else decode_metadata(at.watermark, text)[1])


def fitting(origin: Origin, at: Position, floor: int) -> Said | None:
    """The commit, if all that is terminal below `floor` is in it."""
    found = said(origin, at)
    return found if found.position.bound >= min(floor, at.bound) else None


def without(at: Position, offsets: Iterable[int]) -> Position:
    """The position once these open offsets, in ascending order, are terminal."""
    remaining: Ranges = []
    wanted = iter(offsets)
    offset = next(wanted, None)
    for first, end in at.open:
        start = first
        while offset is not None and offset < end:
            if offset > start:
                remaining.append((start, offset))
            start = max(start, offset + 1)
            offset = next(wanted, None)
        if start < end:
            remaining.append((start, end))
    firsts = [at.bound, *(first for first, _ in remaining[:1]), *(each.first for each in at.parked)]
    return Position(min(firsts), at.bound, remaining, at.parked)


def admissible(origin: Origin, at: Position, results: Sequence[int], floor: int) -> int:
    """How many of the results, offsets in ascending order that are open in the position, a commit can speak of.

    The lowest come first: they close gaps, which the highest make.
    """

    def fits(count: int) -> bool:
        chosen = results[:count]
        return fitting(origin, without(at, chosen), max([floor, *(offset + 1 for offset in chosen[-1:])])) is not None

    if fits(len(results)):
        return len(results)
    low, high = 0, len(results)  # `low` fits, `high` does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low if low and fits(low) else 0
