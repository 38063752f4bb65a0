"""How many bytes messages hold, for the bound on memory."""

from collections.abc import Sequence

from kafkatrigger.api.frames import Headers, Record


def size(record: Record) -> int:
    """Bytes that the message holds."""
    _, _, _, _, key, value, headers = record
    return (len(value) if value else 0) + (len(key) if key else 0) + (headers_size(headers) if headers else 0)


def sizes(records: Sequence[Record]) -> int:
    """Bytes that the messages hold."""
    return sum(map(size, records))


def headers_size(headers: Headers) -> int:
    """Bytes of names and contents."""
    return sum([len(name) + len(content or b"") for name, content in headers])
