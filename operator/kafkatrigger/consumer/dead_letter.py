"""The form of a dead letter: the message untouched, and headers that say what happened. Pure."""

from kafkatrigger.api.frames import Headers, Record
from kafkatrigger.consumer.output import Output
from kafkatrigger.consumer.partition import Partition

LONGEST_TEXT = 1000
"""Characters of an error's message in a header."""

OURS = "kafkatrigger."
OMITTED = "kafkatrigger.value.omitted"


def source_headers(partition: Partition, record: Record) -> Headers:
    """Where the message came from."""
    return [
        ("kafkatrigger.source.topic", partition.topic.encode()),
        ("kafkatrigger.source.partition", b"%d" % partition.number),
        ("kafkatrigger.source.offset", b"%d" % record[1]),
        ("kafkatrigger.source.timestamp", b"%d" % record[2]),
    ]


def headers(
    partition: Partition, record: Record, reason: str, error_class: str, message: str, trace: bytes | None = None
) -> Headers:
    """The headers of a dead letter: those of the message, then ours.

    The message's own trace context stays what it was, so that a message that runs again belongs where it did; `trace` is
    that of the attempt that failed, where it is traced.
    """
    return [
        *(record[6] or []),
        ("kafkatrigger.error.reason", reason.encode()),
        ("kafkatrigger.error.class", error_class.encode(errors="replace")),
        ("kafkatrigger.error.message", message[:LONGEST_TEXT].encode(errors="replace")),
        *source_headers(partition, record),
        ("kafkatrigger.attempts", b"%d" % record[3]),
        *([("kafkatrigger.traceparent", trace)] if trace is not None else []),
    ]


def reference(refused: Output) -> Output:
    """In place of a dead letter that its topic does not take: first without the value, then only what is ours.

    Returns what it was given where there is nothing left to leave out.
    """
    headers = [*refused.headers, (OMITTED, b"%d" % len(refused.value or b""))]
    key = refused.key
    if any(name == OMITTED for name, _ in refused.headers):
        headers = [(name, content) for name, content in refused.headers if name.startswith(OURS)]
        key = None
        if len(headers) == len(refused.headers) and refused.key is None:
            return refused
    return Output(refused.partition, refused.source, refused.topic, None, key, headers, refused.outcome)
