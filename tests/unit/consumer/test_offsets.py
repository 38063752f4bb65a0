"""What a commit says, against a simple model: the set of messages that are open."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kafkatrigger.consumer.offsets import (
    BLOCKED,
    METADATA_LIMIT,
    PARTITION,
    RETRYING,
    STOPPED,
    Origin,
    Parked,
    Position,
    decode_metadata,
    encode_metadata,
    lane_of,
    position,
    start,
)

ORIGIN = Origin("InitialOffsetResetPolicy", b"0123456789abcdef", 7)
KEYS = [b"", b"a", b"b", b"c", None]


class Log:
    """A partition that was read up to `end`; each message has a key, and is open or not."""

    def __init__(self, first: int, keys: list[bytes | None], open_flags: list[bool], parked_keys: set[bytes]) -> None:
        self.first, self.keys, self.end = first, keys, first + len(keys)
        firsts = {key: self._first_open(key, open_flags) for key in parked_keys}
        self.parked = [
            Parked(lane_of("Key", key, 0), offset, self.end, 2, RETRYING)
            for key, offset in firsts.items()
            if offset is not None
        ]
        of_lane = {each.lane: each.offset for each in self.parked}
        lanes = [lane_of("Key", key, first + index) for index, key in enumerate(keys)]
        in_lanes = {first + i for i, lane in enumerate(lanes) if lane in of_lane and first + i >= of_lane[lane]}
        self.alone = {first + index for index, is_open in enumerate(open_flags) if is_open} - in_lanes
        self.open = self.alone | in_lanes

    def _first_open(self, key: bytes, open_flags: list[bool]) -> int | None:
        return next((self.first + i for i, each in enumerate(self.keys) if each == key and open_flags[i]), None)

    def is_open(self, at: Position, offset: int) -> bool:
        key = self.keys[offset - self.first] if offset < self.end else b"new"
        return at.is_open(offset, lane_of("Key", key, offset))


@st.composite
def logs(draw: st.DrawFn) -> Log:
    size = draw(st.integers(0, 60))
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=size, max_size=size))
    flags = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    parked = draw(st.sets(st.sampled_from([key for key in KEYS if key is not None])))
    return Log(draw(st.integers(0, 1000)), keys, flags, parked)


def commit(log: Log) -> Position:
    return position(log.end, log.alone, log.parked, start(log.first))


@given(logs())
def test_a_position_tells_the_open_messages_from_the_others(log: Log) -> None:
    at = commit(log)
    assert at.watermark == min(log.open, default=log.end)
    for offset in range(at.watermark, log.end + 3):
        assert log.is_open(at, offset) == (offset in log.open or offset >= log.end)


@given(logs())
def test_metadata_brings_the_position_back(log: Log) -> None:
    at = commit(log)
    text, complete = encode_metadata(ORIGIN, at)
    assert complete
    assert decode_metadata(at.watermark, text) == (ORIGIN, at)


@given(logs(), st.integers(100, 200))
def test_what_does_not_fit_is_run_again_and_nothing_is_taken_for_done(log: Log, limit: int) -> None:
    at = commit(log)
    text, complete = encode_metadata(ORIGIN, at, limit)
    assert len(text) <= limit
    _, restored = decode_metadata(at.watermark, text)
    assert complete == (restored == at)
    for offset in log.open:
        assert log.is_open(restored, offset)


@given(logs(), st.data())
def test_a_restart_in_the_middle_of_a_restart_forgets_nothing(log: Log, data: st.DataObject) -> None:
    """The second pod has read only a part again when it commits: of the rest it knows what the first one committed."""
    restored = commit(log)
    end = data.draw(st.integers(restored.resume_at, max(restored.resume_at, log.end)))
    lanes = {each.lane for each in log.parked}
    reopened = {
        offset
        for offset in log.alone
        if offset < end and lane_of("Key", log.keys[offset - log.first], offset) not in lanes
    }
    done = data.draw(st.sets(st.sampled_from(sorted(reopened)))) if reopened else set()
    again = position(end, reopened - done, log.parked, restored)
    for offset in range(again.watermark, log.end):
        assert log.is_open(again, offset) == (offset in log.open - done)


def test_what_a_lane_names_beyond_what_was_read_swallows_nothing() -> None:
    """A stopped message that somebody lets go before anything was read again is open by itself, among what others have."""
    waiting = Parked(1, 18, 34, 1, STOPPED, since=31)
    restored = Position(2, 34, [(2, 3), (9, 10), (24, 27)], [waiting])
    at = position(2, (), [Parked(1, 18, 34, 0, RETRYING)], restored)
    assert at == Position(2, 34, [(2, 3), (9, 10), (18, 19), (24, 27)], [Parked(1, 31, 34, 0, RETRYING)])


def test_a_key_that_waits_costs_one_entry_however_many_messages_are_behind_it() -> None:
    blocked = Parked(lane_of("Key", b"hot", 0), 100, 1_000_000, 5, BLOCKED)
    text, complete = encode_metadata(ORIGIN, position(1_000_000, [], [blocked], start(0)))
    assert complete
    assert len(text) < 120
    _, restored = decode_metadata(100, text)
    assert restored.is_open(500_000, blocked.lane)
    assert not restored.is_open(500_000, lane_of("Key", b"other", 0))
    assert restored.resume_at == 1_000_000


def test_more_than_a_hundred_parked_keys_fit() -> None:
    parked = [Parked(lane_of("Key", b"%d" % n, 0), n * 1000, 1_000_000, 4, RETRYING) for n in range(120)]
    _, complete = encode_metadata(ORIGIN, position(1_000_000, [], parked, start(0)))
    assert complete


def test_metadata_stays_within_its_limit() -> None:
    at = position(100_000, range(0, 100_000, 2), [], start(0))
    text, complete = encode_metadata(ORIGIN, at)
    assert not complete
    assert len(text) <= METADATA_LIMIT
    _, restored = decode_metadata(0, text)
    assert restored.bound > 500


def test_foreign_metadata_says_nothing() -> None:
    for text in (None, "", "hello", "e30=", "!!", "kwECAw=="):
        assert decode_metadata(5, text) == (Origin("Committed"), start(5))


@given(logs(), st.binary(max_size=40))
def test_broken_metadata_never_marks_an_open_message(log: Log, noise: bytes) -> None:
    at = commit(log)
    if at.open:
        broken = replace(at, open=[(end, first) for first, end in at.open])
        _, restored = decode_metadata(at.watermark, encode_metadata(ORIGIN, broken)[0])
        assert restored == start(at.watermark)
    decode_metadata(at.watermark, noise.decode("latin-1"))


def test_lanes() -> None:
    assert lane_of("Key", b"a", 1) == lane_of("Key", b"a", 2) >= 0
    assert lane_of("Key", b"", 1) >= 0
    assert lane_of("Key", None, 1) != lane_of("Key", None, 2)
    assert lane_of("Partition", b"a", 1) == lane_of("Partition", None, 2) == PARTITION
    assert lane_of("Unordered", b"a", 1) != lane_of("Unordered", b"a", 2)
