"""What may be committed, against the plainest model there is: a set of offsets."""

from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.consumer.offsets import METADATA_LIMIT, Position, decode_metadata, encode_metadata, position
from kafkatrigger.consumer.partition import Partition

offsets = st.integers(0, 60)


def expand(at: Position) -> set[int]:
    return {offset for first, end in at.terminal for offset in range(first, end)}


@st.composite
def positions(draw: st.DrawFn, most: int = 40) -> Position:
    watermark = draw(st.integers(0, 2**40))
    last, terminal = watermark, []
    for gap, length in draw(st.lists(st.tuples(st.integers(1, 2**33), st.integers(1, 2**20)), max_size=most)):
        terminal.append((last + gap, last + gap + length))
        last += gap + length
    return Position(watermark, terminal)


@given(start=offsets, read=offsets, still_open=st.sets(offsets), known=st.sets(offsets))
def test_terminal_is_what_was_read_and_is_not_open_and_what_was_known(
    start: int, read: int, still_open: set[int], known: set[int]
) -> None:
    end = start + read
    still_open = {offset for offset in still_open if start <= offset < end}
    at = position(end, still_open, ranges_of(known))
    assert at.watermark == min(still_open, default=next(each for each in range(end, 200) if each not in known))
    above = {each for each in range(at.watermark, end) if each not in still_open} | {k for k in known if k >= end}
    assert expand(at) == {each for each in above if each >= at.watermark}


@given(start=offsets, read=offsets, still_open=st.sets(offsets))
def test_a_restart_runs_exactly_what_was_open(start: int, read: int, still_open: set[int]) -> None:
    end = start + read
    still_open = {offset for offset in still_open if start <= offset < end}
    _, at = decode_metadata(*committed("Committed", position(end, still_open, [])))
    anew = Partition("t", 0, at.watermark, "Committed", at.terminal)
    assert [offset for offset in range(at.watermark, end + 5) if anew.advance(offset)] == [
        offset for offset in range(at.watermark, end + 5) if offset in still_open or offset >= end
    ]


def test_a_message_is_taken_once() -> None:
    partition = Partition("t", 0, 5, "Committed")
    assert [partition.advance(offset) for offset in (4, 5, 5, 9, 7)] == [False, True, False, True, False]


@given(positions(), st.text(max_size=20))
def test_metadata_survives_where_it_fits(at: Position, reason: str) -> None:
    offset, text = committed(reason, at)
    assert len(text) <= METADATA_LIMIT
    found, decoded = decode_metadata(offset, text)
    assert found == reason
    assert decoded == at


@given(positions(most=600), st.integers(120, METADATA_LIMIT))
def test_what_does_not_fit_is_forgotten_from_the_end_and_never_claimed(at: Position, limit: int) -> None:
    text = encode_metadata("InitialOffsetResetPolicy", at, limit)
    assert len(text) <= limit
    _, decoded = decode_metadata(at.watermark, text)
    assert decoded.terminal == at.terminal[: len(decoded.terminal)]


@given(st.one_of(st.none(), st.text(max_size=50), st.binary(max_size=50).map(bytes.hex)))
def test_metadata_of_others_claims_nothing(text: str | None) -> None:
    _, at = decode_metadata(7, text)
    assert at == Position(7)


def test_steps_that_go_backwards_claim_nothing() -> None:
    text = encode_metadata("x", Position(10, [(5, 8)]))
    assert decode_metadata(10, text) == ("Committed", Position(10))


def committed(reason: str, at: Position) -> tuple[int, str]:
    return at.watermark, encode_metadata(reason, at)


def ranges_of(numbers: set[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number:
            ranges[-1] = (ranges[-1][0], number + 1)
        else:
            ranges.append((number, number + 1))
    return ranges
