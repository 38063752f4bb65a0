"""Trace contexts: what the header `traceparent` of a message says, and what follows from it for an execution. Pure.

The headers are those of https://www.w3.org/TR/trace-context/.
"""

import re
from collections.abc import Iterator

import msgspec
import xxhash

from kafkatrigger.api.frames import Headers

PARENT = "traceparent"
STATE = "tracestate"
HEADERS = frozenset({PARENT, STATE})
"""They travel together."""

_SAMPLED = 0x01
_KNOWN_FLAGS = 0x03
"""Sampled, and that the trace id is random: what a version that we write may say."""

_PARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_OURS = b"00"
_LENGTH = 55
"""Of what the first version writes."""
_MILLION = 1_000_000


class Execution(msgspec.Struct, frozen=True):
    """An attempt of a message that is traced, as a span; ids are hexadecimal digits."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    """Empty where the trace begins with this span."""
    flags: int
    is_linked: bool
    """The parent is the span of whoever made the message."""

    @property
    def header(self) -> bytes:
        """`traceparent` for whatever follows from this execution."""
        return b"00-%s-%s-%02x" % (self.trace_id, self.span_id, self.flags & _KNOWN_FLAGS)

    def continued(self, headers: Headers) -> Headers:
        """The headers, with this execution as the parent."""
        return [(PARENT, self.header), *[header for header in headers if header[0] != PARENT]]


def parent_of(headers: Headers) -> bytes | None:
    """What the message says; the last where it says it several times, as readers of Kafka's headers have it."""
    for name, content in reversed(headers):
        if name == PARENT:
            return content or b""
    return None


def sampled_parent(header: bytes) -> tuple[bytes, bytes, int] | None:
    """Trace id, span id and flags; None where no trace is to be recorded, or it is none."""
    if len(header) == _LENGTH and header.endswith(b"-00"):  # as nearly always: no need to look at the rest
        return None
    found = _PARENT.fullmatch(header)
    if found is None:
        return None
    version, trace_id, span_id, digits, more = found.groups()
    flags = int(digits, 16)
    if not flags & _SAMPLED or (version == _OURS and more is not None):
        return None
    return trace_id, span_id, flags


class Sampler:
    """Which messages without a context begin a trace, of a share above 0: one of each stretch of offsets, which one by a hash.

    So it is the share that was asked for, no rhythm in the messages meets one in the choice, the same are chosen whenever
    they run again, and nothing has to be asked of the others.
    """

    def __init__(self, ratio: float) -> None:
        self._millionths = max(1, round(ratio * _MILLION))
        self._latest: dict[bytes, tuple[int, int]] = {}
        """By seed, the stretch that was asked about last, and which of its offsets is chosen: the next is mostly of it, too."""

    def chosen(self, seed: bytes, first: int, last: int) -> Iterator[int]:
        """The offsets from `first` to `last` that begin a trace; `seed` stands for the partition."""
        for stretch in range(self._stretch(first), self._stretch(last) + 1):
            offset = self._choose(seed, stretch)
            if first <= offset <= last:
                yield offset

    def is_chosen(self, seed: bytes, offset: int) -> bool:
        """The same of one."""
        stretch = self._stretch(offset)
        latest = self._latest.get(seed)
        if latest is None or latest[0] != stretch:
            self._latest[seed] = latest = stretch, self._choose(seed, stretch)
        return latest[1] == offset

    def _choose(self, seed: bytes, stretch: int) -> int:
        begin, end = self._first_of(stretch), self._first_of(stretch + 1)
        return begin + xxhash.xxh3_64_intdigest(b"%s %d" % (seed, stretch)) % (end - begin)

    def _stretch(self, offset: int) -> int:
        return offset * self._millionths // _MILLION

    def _first_of(self, stretch: int) -> int:
        return -(-stretch * _MILLION // self._millionths)


def execution(seed: bytes, offset: int, timestamp: int, attempt: int, header: bytes | None) -> Execution | None:
    """The span of an attempt of a message with this `traceparent`, or without one, where it begins a trace; None where the
    header is no context, or one of a trace that is not recorded.

    Its id follows from what is known of the message alone, and nothing is drawn by lot: a response that is written again,
    after an aborted transaction, a retry or a crash, names the same parent, and so does whatever the function had
    reported by then. `seed` stands for group and partition, so that triggers that read the same topic differ; the
    timestamp tells a topic that was made anew from the one before.
    """
    message = b"%s %d %d" % (seed, offset, timestamp)
    if header is None:
        trace_id = b"%032x" % (xxhash.xxh3_128_intdigest(message) or 1)
        # One root to a trace: the first attempt is that of the others.
        root = b"" if attempt == 1 else _span_id(message, 1)
        return Execution(trace_id, _span_id(message, attempt), root, _SAMPLED, False)
    parent = sampled_parent(header)
    if parent is None:
        return None
    trace_id, parent_id, flags = parent
    return Execution(trace_id, _span_id(message, attempt), parent_id, flags, True)


def _span_id(message: bytes, attempt: int) -> bytes:
    return b"%016x" % (xxhash.xxh3_64_intdigest(b"%s %d" % (message, attempt)) or 1)
