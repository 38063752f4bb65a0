"""What of a partition may be committed, and what a commit remembers. Pure.

A commit is the watermark, the lowest offset that is not terminal, and metadata that says of each message above it whether
it is terminal. Below a *bound* everything is, except

- the open ranges: messages that are queued, run, or whose result is not written yet;
- the parked lanes: a key (or a partition, or a message alone) that waits for a retry or for a decision of somebody. Of such
  a lane all messages are open from an offset on, however many they are: one short entry stands for them. Where a lane
  begins to wait below what an earlier commit covered, whose terminal messages have to stay terminal, the open ones
  down there are named, and the entry stands for those above.

From the bound on nothing was read yet. Offsets may have gaps (compaction, transaction markers): they are compared, never
counted.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

import msgspec
import xxhash
from msgspec.structs import replace

from kafkatrigger.api.commit_metadata import Metadata, dump, load
from kafkatrigger.api.frames import Ordering

METADATA_LIMIT = 3 * 1024
"""Bytes of commit metadata; brokers refuse more than 4 KiB by default (`offset.metadata.max.bytes`)."""

LONGEST_REASON = 100
"""Characters; ours are much shorter."""

Ranges = list[tuple[int, int]]
"""Half-open, ascending, not touching: [(first, end), ...]."""

LaneId = int
"""What keeps its order within a partition: the hash of a key from 0 on, PARTITION, or below that a message alone."""

PARTITION: LaneId = -1

State = Literal[0, 1, 2]
RETRYING: State = 0
BLOCKED: State = 1
STOPPED: State = 2


_NOTHING: Mapping[int, LaneId] = MappingProxyType({})


def lane_of(ordering: Ordering, key: bytes | None, offset: int) -> LaneId:
    """The lane of a message. An empty key is a key; a message without one is on its own.

    Two keys of one hash share a lane: they wait for each other without need, and lose nothing by it.
    """
    if ordering == "Key" and key is not None:
        return xxhash.xxh3_64_intdigest(key)
    return PARTITION if ordering == "Partition" else -2 - offset


class Parked(msgspec.Struct, frozen=True):
    """A lane that waits: the message at `offset` is open, and all from `since` on and below `until`."""

    lane: LaneId
    offset: int
    until: int
    attempts: int
    """That the message at `offset` has used up."""
    state: State
    since: int | None = None
    """None for `offset`, as nearly always."""

    @property
    def start(self) -> int:
        """From where on all are open."""
        return self.offset if self.since is None else self.since

    @property
    def first(self) -> int:
        """The first that is open."""
        return min(self.offset, self.start)

    def covers(self, offset: int) -> bool:
        """Whether the message of this lane is open."""
        return offset == self.offset or self.start <= offset < self.until

    def below(self, bound: int) -> "Parked | None":
        """What of it lies below the bound."""
        if self.offset < bound:
            return replace(self, until=min(self.until, bound))
        return Parked(self.lane, self.start, bound, 0, RETRYING) if self.start < bound else None


class Position(msgspec.Struct, frozen=True):
    """What a commit says of a partition."""

    watermark: int
    bound: int
    open: Ranges = []
    parked: list[Parked] = []

    def is_open(self, offset: int, lane: LaneId) -> bool:
        """Whether the message has to be run still."""
        if offset >= self.bound or self.names(offset):
            return True
        return any(each.lane == lane and each.covers(offset) for each in self.parked)

    def names(self, offset: int) -> bool:
        """Whether it is in an open range."""
        index = bisect_right(self.open, offset, key=_first) - 1
        return index >= 0 and offset < self.open[index][1]

    def below(self, bound: int) -> "Position":
        """The same with a lower bound: it says less, and nothing that is wrong."""
        return Position(
            min(self.watermark, bound),
            bound,
            [(first, min(end, bound)) for first, end in self.open if first < bound],
            [lower for each in self.parked if (lower := each.below(bound)) is not None],
        )

    @property
    def resume_at(self) -> int:
        """Where reading goes on after a restart. What is parked below is read again by itself."""
        return self.open[0][0] if self.open else self.bound


def start(offset: int) -> Position:
    """The position of a partition of which nothing was read yet."""
    return Position(offset, offset)


def position(
    end: int,
    open_offsets: Iterable[int],
    parked: Iterable[Parked],
    restored: Position,
    named: Mapping[int, LaneId] = _NOTHING,
) -> Position:
    """The position of a partition of which everything below `end` was read.

    Of that, `open_offsets` and what is `parked` are not terminal. `restored` is what the commit said from which the
    partition started: of what is not read again yet, it is all that is known. `named` are the lanes of the messages in its
    open ranges that were read since.
    """
    bound = max(end, restored.bound)
    told = {each.lane: each for each in restored.parked}
    opened = set(open_offsets)
    lanes = []
    for each in parked:
        before = told.pop(each.lane, None)
        entry = _above(each, before, restored.bound)
        lanes += [entry] if entry is not None else []
        opened.update(_named(each, entry, before, restored.bound, named))
    unread = [(max(first, end), last) for first, last in restored.open if last > end]
    # What a lane names may lie beyond what was read.
    ranges = _joined(sorted([*_ranges(sorted(opened)), *unread]))
    lanes = sorted([*lanes, *_unread(told.values(), end)], key=_first_of)
    firsts = [bound, *(first for first, _ in ranges[:1]), *(each.first for each in lanes[:1])]
    return Position(min(firsts), bound, ranges, lanes)


def _named(
    each: Parked, entry: Parked | None, told: Parked | None, bound: int, named: Mapping[int, LaneId]
) -> Iterator[int]:
    """The open messages of a lane that waits below what the restored commit covered, but those that its entry covers."""
    if each.first < bound:
        candidates = [offset for offset, lane in named.items() if lane == each.lane]
        candidates += [told.offset] if told is not None else []
        yield from (
            offset for offset in candidates if offset >= each.first and not (entry is not None and entry.covers(offset))
        )


def _above(each: Parked, told: Parked | None, bound: int) -> Parked | None:
    """The entry of a lane. Below the bound of the restored commit all of its messages are open only from where that said so,
    and the others are named; None where nothing is left of it.
    """
    if each.first >= bound:
        return each
    start = max(each.start, told.start if told is not None and told.start < told.until else bound)
    until = max(each.until, told.until if told is not None else 0)
    if each.attempts or each.state != RETRYING:
        return replace(each, until=until, since=None if start == each.offset else min(start, until))
    return Parked(each.lane, start, until, 0, RETRYING) if start < until else None


def _unread(told: Iterable[Parked], end: int) -> Iterator[Parked]:
    """What the commit said of lanes that are over by now: their messages from `end` on are open all the same."""
    for each in told:
        first = max(each.start, end)
        if first < each.until:
            yield Parked(each.lane, first, each.until, 0, RETRYING)


class Origin(msgspec.Struct, frozen=True):
    """What does not change while a partition is assigned."""

    reason: str
    """Why it started where it did."""
    topic_id: bytes = b""
    config: int = 0
    """A fingerprint of the consumer's configuration: a stop ends with it."""


def encode_metadata(origin: Origin, at: Position, limit: int = METADATA_LIMIT) -> tuple[str, bool]:
    """Commit metadata, and whether all of the position is in it.

    Where it does not fit the bound is lowered: what lies above runs again after a restart.
    """
    complete = True
    while len(text := _text(origin, at)) > limit:
        complete = False
        firsts = sorted([first for first, _ in at.open] + [each.first for each in at.parked])
        # Long lists shrink by proportion, and always by one at least.
        kept = min(len(firsts) - 1, len(firsts) * limit // len(text))
        at = at.below(firsts[kept])
    return text, complete


def decode_metadata(watermark: int, text: str | None) -> tuple[Origin, Position]:
    """Origin and position of a committed offset. Metadata that is not ours says nothing: it is no error."""
    unknown = Origin("Committed"), start(watermark)
    metadata = load(text)
    if metadata is None:
        return unknown
    at = _decoded(watermark, metadata)
    if not _is_sound(at):
        return unknown
    return Origin(metadata.reason[:LONGEST_REASON], metadata.topic_id, metadata.config), at


def _text(origin: Origin, at: Position) -> str:
    steps: list[int] = []
    last = at.watermark
    for first, end in at.open:
        steps += (first - last, end - first)
        last = end
    parked = [
        [each.lane, each.offset - at.watermark, at.bound - each.until, each.attempts, int(each.state)]
        + ([] if each.since is None else [each.since - at.watermark])
        for each in at.parked
    ]
    return dump(Metadata(origin.reason, origin.topic_id, at.bound - at.watermark, steps, parked, origin.config))


def _decoded(watermark: int, metadata: Metadata) -> Position:
    bound = watermark + metadata.bound
    ranges: Ranges = []
    last = watermark
    for gap, length in zip(metadata.steps[::2], metadata.steps[1::2], strict=False):
        ranges.append((last + gap, last + gap + length))
        last += gap + length
    parked = [
        Parked(lane, watermark + offset, bound - back, attempts, state, watermark + since[0] if since else None)  # type: ignore[arg-type]
        for lane, offset, back, attempts, state, *since in metadata.parked
    ]
    return Position(watermark, bound, ranges, parked)


def _is_sound(at: Position) -> bool:
    """Whether it could be one of ours: anything else must not make a message look terminal."""
    edges = [at.watermark, *(edge for each in at.open for edge in each), at.bound]
    return (
        edges == sorted(edges)
        and all(first < end for first, end in at.open)
        and all(
            at.watermark <= each.first <= each.offset < each.until <= at.bound
            and each.start <= each.until
            and each.attempts >= 0
            and each.state in (0, 1, 2)
            for each in at.parked
        )
    )


def _ranges(offsets: list[int]) -> Ranges:
    """Ascending offsets as ranges."""
    if not offsets:
        return []
    breaks = [(before, after) for before, after in pairwise(offsets) if after - before != 1]
    firsts = [offsets[0], *(after for _, after in breaks)]
    lasts = [*(before for before, _ in breaks), offsets[-1]]
    return [(first, last + 1) for first, last in zip(firsts, lasts, strict=True)]


def _joined(ranges: Ranges) -> Ranges:
    """Ranges in ascending order, those that touch as one."""
    joined: Ranges = []
    for first, end in ranges:
        if joined and joined[-1][1] >= first:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((first, end))
    return joined


def _first(each: tuple[int, int]) -> int:
    return each[0]


def _first_of(parked: Parked) -> int:
    return parked.first
