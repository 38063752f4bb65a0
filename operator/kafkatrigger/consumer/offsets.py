"""What of a partition may be committed. Pure.

Offsets may have gaps (compaction, transaction markers): they are compared, never counted.
"""

import base64
import binascii
from collections.abc import Iterable
from itertools import pairwise

import msgspec

METADATA_LIMIT = 3 * 1024
"""Bytes of commit metadata; brokers refuse more than 4 KiB by default (`offset.metadata.max.bytes`)."""

LONGEST_REASON = 100
"""Characters; ours are much shorter."""

Ranges = list[tuple[int, int]]
"""Half-open, ascending, not touching: [(first, end), ...]."""


class Position(msgspec.Struct, frozen=True):
    """What a commit says of a partition: all below `watermark` is terminal, and so is what `terminal` lists above it."""

    watermark: int
    terminal: Ranges = []


def position(end: int, open_offsets: Iterable[int], known: Ranges) -> Position:
    """The position of a partition of which everything below `end` was read and only `open_offsets` are not terminal.

    `known` are offsets that were terminal before this assignment; those beyond `end` are not read yet and stay known.
    """
    edges = [*sorted(set(open_offsets)), end]
    ranges = [(before + 1, after) for before, after in pairwise(edges) if before + 1 < after]
    for first, last in known:
        if last <= end:
            continue
        first = max(first, end)
        if ranges and ranges[-1][1] == first:
            first = ranges.pop()[0]
        ranges.append((first, last))
    watermark = edges[0]
    if ranges and ranges[0][0] == watermark:
        watermark = ranges.pop(0)[1]
    return Position(watermark, ranges)


class _Metadata(msgspec.Struct, array_like=True):
    reason: str
    steps: list[int] = []
    """From the watermark on: distance to the next terminal range, its length, distance to the next, ..."""


def encode_metadata(reason: str, at: Position, limit: int = METADATA_LIMIT) -> str:
    """Commit metadata: why the partition started where it did, and the terminal ranges that fit, lowest first.

    What does not fit runs again after a restart: at least once, as promised, and only then.
    """
    steps: list[int] = []
    last = at.watermark
    for first, end in at.terminal:
        steps += (first - last, end - first)
        last = end
    while len(text := _text(_Metadata(reason, steps))) > limit:
        # Long lists shrink by proportion, and always by a pair at least.
        del steps[max(0, len(steps) * limit // len(text) // 2 * 2 - 2) :]
    return text


def decode_metadata(watermark: int, text: str | None) -> tuple[str, Position]:
    """The reason and position of a committed offset. Metadata that is not ours says nothing: it is no error."""
    try:
        metadata = msgspec.msgpack.decode(base64.b64decode(text or "", validate=True), type=_Metadata)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return "Committed", Position(watermark)
    if any(step <= 0 for step in metadata.steps):
        return "Committed", Position(watermark)
    terminal: Ranges = []
    last = watermark
    for gap, length in zip(metadata.steps[::2], metadata.steps[1::2], strict=False):
        terminal.append((last + gap, last + gap + length))
        last += gap + length
    return metadata.reason[:LONGEST_REASON], Position(watermark, terminal)


def _text(metadata: _Metadata) -> str:
    return base64.b64encode(msgspec.msgpack.encode(metadata)).decode()
