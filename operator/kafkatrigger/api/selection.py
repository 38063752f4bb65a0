"""Which of many failed messages people mean: by time, key, error or id. Pure."""

from collections.abc import Iterable

import msgspec


class Selection(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """All of what is said has to hold; what is not said holds for all."""

    since: int | None = None
    """Timestamp of the message in milliseconds since the epoch, inclusive."""
    until: int | None = None
    """The same, exclusive."""
    key: bytes | None = None
    error: str = ""
    """Part of the error's class or reason, whatever the case."""
    messages: tuple[str, ...] = ()
    """Ids, as topic-partition-offset."""


def message_id(topic: str, partition: int, offset: int) -> str:
    """How a message is called in logs, by functions, and here."""
    return f"{topic}-{partition}-{offset}"


def parse_id(text: str) -> tuple[str, int, int]:
    """Topic, partition and offset of an id; ValueError for what is none."""
    rest, _, offset = text.rpartition("-")
    topic, _, partition = rest.rpartition("-")
    if not topic or not all(part.isascii() and part.isdigit() for part in (partition, offset)):
        raise ValueError(f"{text!r} is no message: write TOPIC-PARTITION-OFFSET, for instance orders-0-1234")
    return topic, int(partition), int(offset)


def selects(
    selection: Selection,
    ids: Iterable[str],
    timestamp: int,
    key: bytes | None,
    reason: str,
    error_class: str,
) -> bool:
    """Whether a failed message is meant. `ids`: all names that it goes by."""
    return (
        _in_time(selection, timestamp)
        and selection.key in (None, key)
        and selection.error.lower() in f"{error_class}\n{reason}".lower()
        and (not selection.messages or any(each in selection.messages for each in ids))
    )


def _in_time(selection: Selection, timestamp: int) -> bool:
    since, until = selection.since, selection.until
    return (since is None or timestamp >= since) and (until is None or timestamp < until)
