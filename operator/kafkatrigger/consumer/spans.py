"""What the engine tells the process that exports spans, and what that answers: one packet each, as msgpack."""

import msgspec

LONGEST_MESSAGE = 500
"""Characters of an error's message."""

LONGEST_NAME = 200
"""Characters of a reason or a class."""

LONGEST_STATE = 512
"""Bytes of a `tracestate`: what https://www.w3.org/TR/trace-context/ has everybody pass on. A longer one is left out."""

SPANS_IN_PACKET = 32
PACKET = 256 * 1024
"""Bytes that a packet has at most, with the longest names that there are."""


REPORT = 4096
"""Bytes that a report has at most."""


class Exporter(msgspec.Struct):
    """Where the spans go and whose they are: all that the process is started with."""

    endpoint: str
    trigger: str
    """namespace/name"""
    group_id: str


class Span(msgspec.Struct, array_like=True, gc=False):
    """One attempt of one message."""

    topic: str
    partition: int
    offset: int
    attempt: int
    is_tombstone: bool
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    """Ids are hexadecimal digits; empty where there is no parent."""
    flags: int
    state: bytes
    """The content of `tracestate`, or nothing."""
    is_linked: bool
    """The parent is the span of whoever made the message."""
    began: int
    ended: int
    """Nanoseconds since the epoch."""
    result: str
    """As metrics have it: succeeded, or the reason of the failure; and filtered."""
    error_class: str = ""
    error_message: str = ""


class Report(msgspec.Struct, array_like=True):
    """What became of the spans so far."""

    done: int
    dropped: int
    """Of those, the ones that no collector has taken."""
    why: str
    """Of the last that were dropped."""
