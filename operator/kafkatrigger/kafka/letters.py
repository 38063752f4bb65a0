"""The form of dead letters and of their copies in the redrive topic, as headers say it. Pure.

A dead letter has the headers of its message, and behind them a block of ours that begins with `kafkatrigger.error.reason`.
A copy has those of the message, `kafkatrigger.source.*` (where the message came from in the first place), the request that
made it, and the dead letter that it is a copy of: so the redrive topic itself says what was moved, and a copy that was
committed is progress that was committed.
"""

from collections.abc import Sequence

from confluent_kafka import Message

from kafkatrigger.api.dead_letters import Letter
from kafkatrigger.api.selection import message_id

Headers = list[tuple[str, bytes | None]]
Mark = tuple[str, str]
"""A dead letter that was moved: its id and its message's. Both, because a topic that was made anew has the same offsets."""

REQUEST = "kafkatrigger.redrive.request"
LETTER = "kafkatrigger.redrive.letter"
_SOURCE = "kafkatrigger.source."
_REASON = "kafkatrigger.error.reason"
_CLASS = "kafkatrigger.error.class"
_MESSAGE = "kafkatrigger.error.message"
_ATTEMPTS = "kafkatrigger.attempts"
_OMITTED = "kafkatrigger.value.omitted"
_PLACE = tuple(f"{_SOURCE}{name}" for name in ("topic", "partition", "offset", "timestamp"))
_MARKS = (*_PLACE, REQUEST, LETTER)
"""What a copy has behind the headers of its message."""


def headers_of(message: Message) -> Headers:
    """The headers of a message."""
    return list(message.headers() or [])


def size_of(message: Message, headers: Headers) -> int:
    """Bytes of a message."""
    return (
        len(message.key() or b"")
        + len(message.value() or b"")
        + sum(len(name) + len(content or b"") for name, content in headers)
    )


def letter(message: Message, redrive_topic: str) -> Letter | None:
    """The dead letter of a record, or None where a trigger did not write it."""
    headers = headers_of(message)
    own, block = _split(headers)
    origin = _origin(own, block, redrive_topic)
    if origin is None:
        return None
    topic, partition, offset, timestamp = origin
    said = dict(block)
    return Letter(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        source_topic=topic,
        source_partition=partition,
        source_offset=offset,
        timestamp=timestamp,
        key=message.key(),
        reason=_text(said.get(_REASON)),
        error_class=_text(said.get(_CLASS)),
        message=_text(said.get(_MESSAGE)),
        attempts=_number(said.get(_ATTEMPTS)) or 0,
        size=size_of(message, headers),
        omitted=_number(said.get(_OMITTED)),
    )


def copied_headers(headers: Headers, found: Letter, request: str) -> Headers:
    """The headers of a copy of a dead letter: without the error, and with where the message first came from."""
    own, _ = _split(headers)
    return marked(_without_redrive(own, found), found, request)


def marked(headers: Headers, found: Letter, request: str) -> Headers:
    """The headers of a message with those of a copy."""
    return [
        *headers,
        (f"{_SOURCE}topic", found.source_topic.encode()),
        (f"{_SOURCE}partition", b"%d" % found.source_partition),
        (f"{_SOURCE}offset", b"%d" % found.source_offset),
        (f"{_SOURCE}timestamp", b"%d" % found.timestamp),
        (REQUEST, request.encode()),
        (LETTER, found.id.encode()),
    ]


def unmarked(headers: Headers) -> tuple[Headers, Headers]:
    """Of a copy, the headers of its message, and those of ours that say where that first came from; else all, and none."""
    start = len(headers) - len(_MARKS)
    if tuple(name for name, _ in headers[max(0, start) :]) != _MARKS:
        return headers, []
    return headers[:start], headers[start : start + len(_PLACE)]


def first_timestamp(headers: Headers) -> int:
    """The timestamp of the message of which this is a copy, in milliseconds since the epoch; 0 where it is not known."""
    source = _source(unmarked(headers)[1])
    return source[3] if source is not None else 0


def mark(headers: Headers) -> tuple[Mark, str] | None:
    """Which dead letter a record of the redrive topic is a copy of, and of which request; None where it is none."""
    said = dict(headers)
    source = _source(headers)
    if LETTER not in said or source is None:
        return None
    return (_text(said[LETTER]), message_id(*source[:3])), _text(said.get(REQUEST))


def _split(headers: Headers) -> tuple[Headers, Headers]:
    """The message's own headers, and the block that a consumer wrote behind them."""
    starts = [index for index, (name, _) in enumerate(headers) if name == _REASON]
    start = starts[-1] if starts else len(headers)
    return headers[:start], headers[start:]


def _origin(own: Headers, block: Headers, redrive_topic: str) -> tuple[str, int, int, int] | None:
    """Where the message first came from: what failed again after a redrive says it among its own headers."""
    if not block:
        return None
    direct = _source(block)
    return _source(own) if direct is None or direct[0] == redrive_topic else direct


def _source(headers: Headers) -> tuple[str, int, int, int] | None:
    said = dict(headers)
    topic = said.get(f"{_SOURCE}topic")
    partition, offset = (_number(said.get(f"{_SOURCE}{name}")) for name in ("partition", "offset"))
    if not topic or partition is None or offset is None:
        return None
    return _text(topic), partition, offset, _number(said.get(f"{_SOURCE}timestamp")) or 0


def _without_redrive(own: Headers, found: Letter) -> Headers:
    """Without what an earlier redrive of the same message added at their end."""
    rest, _ = unmarked(own)
    marks = mark(own[len(rest) :])
    return rest if marks is not None and marks[0][1] == found.source_id else own


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace")


def _number(content: bytes | None) -> int | None:
    return int(content) if content is not None and content.isdigit() else None


def in_source_order(letters: Sequence[Letter]) -> list[Letter]:
    """Each source partition's letters in the order of their messages, in the places that they have in the topic.

    Mostly the topic has them so; it does not where a message failed again, or where messages ran out of order.
    """
    by_place = sorted(letters, key=lambda each: (each.offset, each.partition))
    sources: dict[tuple[str, int], list[Letter]] = {}
    for each in by_place:
        sources.setdefault((each.source_topic, each.source_partition), []).append(each)
    queues = {
        source: iter(sorted(found, key=lambda each: (each.source_offset, each.partition, each.offset)))
        for source, found in sources.items()
    }
    return [next(queues[each.source_topic, each.source_partition]) for each in by_place]
