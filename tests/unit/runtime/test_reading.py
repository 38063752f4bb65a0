"""Frames out of a byte stream, however it is cut."""

import socket
import threading

import pytest

from kafkatrigger.api.frames import LENGTH, MAX_FRAME, FrameError
from kafkatrigger.runtime.reading import FrameReader


def read_all(data: bytes, cut: int) -> list[bytes]:
    """Payloads of `data` when it arrives in pieces of `cut` bytes."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        with theirs:
            for start in range(0, len(data), cut):
                theirs.sendall(data[start : start + cut])

    thread = threading.Thread(target=send)
    thread.start()
    with ours:
        payloads = [bytes(payload) for payload in FrameReader(ours).payloads()]
    thread.join()
    return payloads


@pytest.mark.parametrize("cut", [1, 3, 1000, 1 << 20])
def test_any_cut_gives_the_same_frames(cut: int) -> None:
    payloads = [b"", b"a", b"bc" * 50, b"d" * 5]
    stream = b"".join(LENGTH.pack(len(payload)) + payload for payload in payloads)
    assert read_all(stream, cut) == payloads


def test_frames_larger_than_the_buffer_among_small_ones() -> None:
    payloads = [b"a" * 300_000, b"b", b"c" * 6_000_000, b"d", b"e" * 1000, b"f" * 300_000]
    stream = b"".join(LENGTH.pack(len(payload)) + payload for payload in payloads)
    assert read_all(stream, 70_000) == payloads


def test_what_is_incomplete_at_the_end_is_dropped() -> None:
    assert read_all(LENGTH.pack(1) + b"a" + LENGTH.pack(10) + b"b", 100) == [b"a"]


def test_a_frame_that_is_too_large_is_none() -> None:
    with pytest.raises(FrameError):
        read_all(LENGTH.pack(MAX_FRAME + 1), 10)
