"""How much waits for a group, as its brokers know it: for triggers none of whose pods can say.

Of each partition it is the distance from where the group would go on to the last stable offset, as consumers count it.
Offsets have gaps (compaction, transaction markers), so fewer messages may wait, never more.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic

import msgspec
from confluent_kafka import KafkaException, TopicPartition

from kafkatrigger.api import commit_metadata
from kafkatrigger.api.checkpoint import Checkpoint, is_another
from kafkatrigger.api.moves import Group
from kafkatrigger.api.start_policy import StartPolicy
from kafkatrigger.api.starting_point import decide, facts
from kafkatrigger.api.topic_pattern import matching
from kafkatrigger.kafka import group_offsets, log_offsets
from kafkatrigger.kafka.brokers import TIMEOUT, Brokers, FoundTopic, Target


@dataclass(frozen=True)
class Subject:
    """A group, and what of its sources decides where it goes on. It can be a key of a dictionary."""

    group: Group
    topics: tuple[str, ...]
    pattern: str
    """Instead of `topics`."""
    redrive_topic: str
    """A source as well, where it exists."""
    policy: str
    """A `StartPolicy` as JSON."""


@dataclass(frozen=True)
class Lag:
    """What was found."""

    messages: int | None
    """None where it is not known."""
    problem: str = ""
    """Why it is not known."""
    asked: float = field(default_factory=monotonic, compare=False)
    """When, in seconds."""


def ask(brokers: Brokers, subject: Subject, recorded: Callable[[], Checkpoint]) -> Lag:
    """Never raises for what brokers do. `recorded` is the trigger's checkpoint, read only where it decides."""
    try:
        found = _sources(brokers, subject)
        return Lag(_messages(brokers, subject, found, recorded))
    except KafkaException as error:
        return Lag(None, error.args[0].str())
    except _UnknownError as error:
        return Lag(None, str(error))


class _UnknownError(Exception):
    """It cannot be known now; the message says why."""


def _sources(brokers: Brokers, subject: Subject) -> tuple[FoundTopic, ...]:
    """Those that exist. What is missing has nothing that waits, and another condition that speaks of it."""
    servers, namespace = subject.group.servers, subject.group.namespace
    names = subject.topics
    if subject.pattern:
        with brokers.admin(servers, namespace) as admin:
            names = tuple(matching(subject.pattern, admin.list_topics(timeout=TIMEOUT).topics))
    finding = brokers.check(Target(servers, tuple(sorted({*names, subject.redrive_topic})), "", namespace))
    if finding.unreachable:
        raise _UnknownError(finding.unreachable)
    if finding.refused:
        topic, words = finding.refused[0]
        raise _UnknownError(f"{topic}: {words}")
    return finding.topics


def _messages(
    brokers: Brokers, subject: Subject, found: Iterable[FoundTopic], recorded: Callable[[], Checkpoint]
) -> int:
    ids = {topic.name: topic.topic_id for topic in found}
    places = [(topic.name, number) for topic in found for number in range(topic.partitions)]
    policy = msgspec.json.decode(subject.policy, type=StartPolicy)
    with brokers.admin(subject.group.servers, subject.group.namespace) as admin:
        ranges = log_offsets.ranges(admin, places, TIMEOUT)
        committed = group_offsets.committed(admin, subject.group.name, places, is_stable=False)
        bare = [place for place, at in committed.items() if at.offset < 0]
        marks = recorded() if bare else {}
        known = {place: facts(place, ranges[place], ids[place[0]], marks, subject.redrive_topic) for place in bare}
        points = log_offsets.resolved(admin, {place: decide(each, policy) for place, each in known.items()}, TIMEOUT)
    begun = {place: point.offset for place, point in points.items()}
    going_on = {
        place: continued(at, ranges[place][0], ids[place[0]]) for place, at in committed.items() if place not in begun
    }
    return sum(waiting(start, *ranges[place]) for place, start in {**begun, **going_on}.items())


def waiting(start: int, low: int, end: int) -> int:
    """Offsets from the start on that the log has."""
    return max(0, end - max(start, low))


def continued(at: TopicPartition, low: int, topic_id: str) -> int:
    """Where a partition goes on of which something is committed: of a topic that was made anew, at the beginning."""
    metadata = commit_metadata.load(at.metadata)
    return low if metadata and is_another(metadata.topic_id.hex(), topic_id) else at.offset
