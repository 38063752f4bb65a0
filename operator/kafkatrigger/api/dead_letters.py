"""What people may ask about dead letters: one JSON line each way, to `python -m kafkatrigger.kafka.dead_letters`."""

import msgspec

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.frames import Ordering
from kafkatrigger.api.selection import Selection, message_id, selects

LONGEST_LIST = 10_000
"""Dead letters of one answer."""
LARGEST_REDRIVE = 50_000
"""Dead letters of one request to redrive: about 60 MB of memory where it runs. The next request moves the next."""
LONGEST_KEY = 1024
"""Bytes of a key in a list; `dlq.show` has all of it."""


class Target(msgspec.Struct, frozen=True, rename="camel"):
    """Where a trigger's dead letters are and where they may go."""

    servers: list[str]
    options: dict[str, str]
    topic: str
    redrive_topic: str
    """Empty where it is not known: then nothing can be redriven, and what was is not seen."""
    ordering: Ordering = "Key"


def target_of(config: ConsumerConfig) -> Target:
    """The target of a trigger."""
    return Target(
        config.bootstrap_servers,
        config.connection_options,
        config.dead_letter.topic,
        config.redrive_topic,
        config.ordering,
    )


class ListLetters(msgspec.Struct, tag="dlq.list", tag_field="command", rename="camel"):
    """The newest dead letters of a selection, at most `limit`."""

    selection: Selection
    limit: int = LONGEST_LIST


class ShowLetter(msgspec.Struct, tag="dlq.show", tag_field="command", rename="camel"):
    """One dead letter with all that it has."""

    id: str
    """Its own id, or that of the message that failed (then the newest of its dead letters)."""
    longest_value: int | None = None
    """Bytes of the value; None for all of them."""


class Redrive(msgspec.Struct, tag="dlq.redrive", tag_field="command", rename="camel"):
    """Copies dead letters to the trigger's redrive topic: those that no request has moved yet."""

    selection: Selection
    request: str
    """Id of this request; the copies carry it."""
    dry_run: bool = False
    """Only counts."""
    allow_reorder: bool = False
    """Also keys of which the source has newer messages; those are not looked for then, except by a dry run."""
    again: bool = False
    """Also dead letters that another request has moved."""
    ends: dict[int, int] | None = None
    """Offsets of the dead-letter topic, by partition, from which on nothing is meant: what was counted is what is moved."""
    limit: int = LARGEST_REDRIVE


Request = ListLetters | ShowLetter | Redrive


class Letter(msgspec.Struct, rename="camel"):
    """A dead letter, without value and headers."""

    topic: str
    partition: int
    offset: int
    source_topic: str
    source_partition: int
    source_offset: int
    timestamp: int
    """Of the message that failed, in milliseconds since the epoch."""
    key: bytes | None
    reason: str
    error_class: str
    message: str
    attempts: int
    size: int
    """Bytes of key, value and headers."""
    omitted: int | None = None
    """Bytes of the value where it is left out because the topic refused it."""
    redriven: list[str] = []
    """Requests that moved it."""

    @property
    def id(self) -> str:
        """Of the dead letter."""
        return message_id(self.topic, self.partition, self.offset)

    @property
    def source_id(self) -> str:
        """Of the message that failed."""
        return message_id(self.source_topic, self.source_partition, self.source_offset)


def means(selection: Selection, letter: Letter) -> bool:
    """Whether a selection takes in a dead letter; it goes by its own id and by that of its message."""
    ids = (letter.id, letter.source_id)
    return selects(selection, ids, letter.timestamp, letter.key, letter.reason, letter.error_class)


class WholeLetter(msgspec.Struct, rename="camel"):
    """A dead letter with all that it has."""

    letter: Letter
    key: bytes | None
    headers: list[tuple[str, bytes | None]]
    value: bytes | None
    """Its beginning, where a length was asked for."""
    value_size: int


class Redriven(msgspec.Struct, rename="camel"):
    """What a redrive did, or what it would do."""

    request: str
    letters: int = 0
    """Dead letters to move."""
    keys: int = 0
    """Keys of these, each in its source partition."""
    reordered_keys: int = 0
    """Of these keys, those with newer messages in the source."""
    reorder_checked: bool = False
    moved: int = 0
    already: int = 0
    """Selected, and not moved because an earlier request did."""
    unavailable: int = 0
    """References whose message the source no longer has, and dead letters that retention removed meanwhile: not moved."""
    refused: int = 0
    """Too large for the redrive topic: not moved."""
    foreign: int = 0
    """Records of the topic that are no dead letters of a trigger: left alone."""
    more: bool = False
    """There are more than `limit`."""
    notes: list[str] = []
    """What else is worth knowing, as sentences."""
    ends: dict[int, int] = {}
    """Where the dead-letter topic ended when they were counted."""


class Answer(msgspec.Struct, rename="camel", omit_defaults=True):
    """`error` says what is wrong and what to do; empty where all went well."""

    error: str = ""
    letters: list[Letter] = []
    total: int = 0
    """Dead letters of the selection, of which `letters` are the newest."""
    whole: WholeLetter | None = None
    redriven: Redriven | None = None
