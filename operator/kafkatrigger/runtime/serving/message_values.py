"""hetida designer's form of messages: one value, or several with names, for inputs; and the records of outputs."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from kafkatrigger.api.frames import Output
from kafkatrigger.runtime.transformations.problems import InvalidData, InvalidWiring

KAFKA = "kafka"
"""The adapter's id in wirings: inputs are values of the message, outputs go to topics."""
VALUE_KEY = "message_value_key"


class _Value(msgspec.Struct, omit_defaults=True):
    value: msgspec.Raw
    data_type: str
    output_name: str | None = None


class _Single(msgspec.Struct):
    transformation_id: str
    job_id: str
    message_creation_timestamp: datetime
    value: _Value


class _Several(msgspec.Struct):
    transformation_id: str
    job_id: str
    message_creation_timestamp: datetime
    values: dict[str, _Value]


def value_of(title: str, document: object, filters: Mapping[str, str | None]) -> Any:
    """The value of an input in a message; InvalidData. `title` names the input in sentences.

    The key may have an identifier and a colon in front, which says elsewhere which of several topics it is about.
    """
    if not isinstance(document, dict):
        raise InvalidData(f"{title}: the message is no object with value or values")
    key = filters.get(VALUE_KEY) or ""
    values = document.get("values")
    if isinstance(values, dict):
        names = [name for name in (key, key.rpartition(":")[2]) if name in values]
        found = values[names[0]] if names else None
        where = f"values[{key!r}]"
    else:
        found, where = document.get("value"), "value"
    if not isinstance(found, dict) or "value" not in found:
        raise InvalidData(f"{title}: the message has no {where} with a value in it")
    return found["value"]


def job_id_of(document: object) -> str:
    """That of a message in this form, or empty."""
    if not isinstance(document, dict) or ("value" not in document and "values" not in document):
        return ""
    return uuid_of(document.get("job_id"))


def uuid_of(given: object) -> str:
    """As UUIDs are written, or empty for what is none."""
    if not isinstance(given, str):
        return ""
    try:
        return str(uuid.UUID(given))
    except ValueError:
        return ""


def check_topic(title: str, topic: str | None, allowed: Iterable[str]) -> str:
    """The topic, which the trigger has to name; InvalidWiring."""
    if topic and topic in allowed:
        return topic
    there = ", ".join(map(repr, allowed)) or "none"
    raise InvalidWiring(f"{title} may not be written to the topic {topic!r}: those that the trigger allows are {there}")


def records(
    identity: str, job_id: str, topics: Mapping[str, str], values: Mapping[str, bytes], types: Mapping[str, str]
) -> list[Output]:
    """A record for each topic, with the outputs that go there: `topics` by output, values as JSON."""
    by_topic: dict[str, list[str]] = {}
    for name, topic in topics.items():
        by_topic.setdefault(topic, []).append(name)
    head = (identity, job_id, datetime.now(UTC))
    return [
        Output(msgspec.json.encode(_content(head, {name: (values[name], types[name]) for name in names})), topic=topic)
        for topic, names in by_topic.items()
    ]


def _content(head: tuple[str, str, datetime], values: Mapping[str, tuple[bytes, str]]) -> _Single | _Several:
    if len(values) == 1:
        ((name, (value, kind)),) = values.items()
        return _Single(*head, _Value(msgspec.Raw(value), kind, name))
    return _Several(*head, {name: _Value(msgspec.Raw(value), kind) for name, (value, kind) in values.items()})
