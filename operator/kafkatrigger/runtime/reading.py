"""Frames from a blocking socket."""

import socket
from collections.abc import Iterator

from kafkatrigger.api.frames import LENGTH, MAX_FRAME, FrameError

_USUAL = 1 << 18
_KEPT = 1 << 22


class FrameReader:
    """Reads payloads into one buffer that is used again and again: a payload is valid until the next is asked for."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray(_USUAL)
        self._start = 0
        self._end = 0

    def payloads(self) -> Iterator[memoryview]:
        """The payloads until the peer closes; FrameError where it sends something else than frames."""
        while self._has(LENGTH.size):
            (length,) = LENGTH.unpack_from(self._buffer, self._start)
            if length > MAX_FRAME:
                raise FrameError(f"a frame of {length} bytes exceeds the limit of {MAX_FRAME}")
            if not self._has(LENGTH.size + length):
                return
            begin = self._start + LENGTH.size
            self._start = begin + length
            with memoryview(self._buffer)[begin : self._start] as payload:
                yield payload

    def _has(self, size: int) -> bool:
        """Receives until `size` bytes are in the buffer; False when the peer closes before."""
        if self._end - self._start < size:
            self._make_room(size)
        while self._end - self._start < size:
            with memoryview(self._buffer) as whole, whole[self._end :] as rest:
                received = self._connection.recv_into(rest)
            if not received:
                return False
            self._end += received
        return True

    def _make_room(self, size: int) -> None:
        """Moves what is left to the front, of a larger buffer if need be; a very large one is not kept for long."""
        left = self._end - self._start
        if size > len(self._buffer) or len(self._buffer) > _KEPT >= size:
            larger = bytearray(max(size, _USUAL))
            larger[:left] = memoryview(self._buffer)[self._start : self._end]
            self._buffer = larger
        elif self._start:
            self._buffer[:left] = self._buffer[self._start : self._end]
        self._start, self._end = 0, left
