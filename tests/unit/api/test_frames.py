"""Cutting a byte stream into frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.api.frames import LENGTH, FrameBuffer, FrameError


def _frame(payload: bytes) -> bytes:
    return LENGTH.pack(len(payload)) + payload


@given(st.lists(st.binary(max_size=50), max_size=8), st.lists(st.integers(1, 40), max_size=30))
def test_frames_come_out_whole_however_they_arrive(payloads: list[bytes], pieces: list[int]) -> None:
    stream = b"".join(map(_frame, payloads))
    buffer, found = FrameBuffer(), []
    for size in [*pieces, len(stream)]:
        found += buffer.feed(stream[:size])
        stream = stream[size:]
    assert found == payloads


def test_a_frame_that_claims_to_be_too_large_is_refused_before_it_has_arrived() -> None:
    buffer = FrameBuffer(limit=100)
    assert buffer.feed(_frame(b"x" * 100)) == [b"x" * 100]
    with pytest.raises(FrameError, match="101 bytes exceeds the limit of 100"):
        buffer.feed(LENGTH.pack(101))
