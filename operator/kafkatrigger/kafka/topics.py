"""Topics: which exist, and making those that a trigger writes to."""

import contextlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicDescription,
)

METADATA_TIMEOUT = 5.0
CREATE_TIMEOUT = 15.0
CONFIG_TIMEOUT = 10.0

AS_THE_BROKER_LIKES = -1
"""Partitions of a new topic."""

Settings = Future[dict[str, ConfigEntry]]
Descriptions = dict[str, Future[TopicDescription]]


class BrokersUnreachableError(Exception):
    """No broker answered; the message says which and what to do."""


def partition_counts(admin: AdminClient, brokers: str) -> dict[str, int]:
    """The topics of the cluster and how many partitions each has; BrokersUnreachableError where no broker answers."""
    try:
        metadata: ClusterMetadata = admin.list_topics(timeout=METADATA_TIMEOUT)
    except KafkaException as error:
        advice = "check spec.kafka.bootstrapServers, the brokers and the network"
        raise BrokersUnreachableError(f"no broker of {brokers} answers ({error.args[0].str()}): {advice}") from None
    return {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}


def missing(topics: Iterable[str], existing: Mapping[str, int]) -> str | None:
    """A sentence that names the source topics that do not exist, or None."""
    absent = sorted(set(topics) - set(existing))
    return missing_sentence(absent) if absent else None


def missing_sentence(absent: Sequence[str]) -> str:
    """What to do about these source topics."""
    noun, verb, them = ("topic", "does", "it") if len(absent) == 1 else ("topics", "do", "them")
    names = ", ".join(absent)
    return f"the source {noun} {names} {verb} not exist: create {them} or correct spec.source.topics"


def create(
    admin: AdminClient,
    topic: str,
    partitions: int,
    settings: Mapping[str, str] | None = None,
    wishes: Mapping[str, str] | None = None,
) -> str | None:
    """Creates the topic with the broker's default replication; a sentence where that failed, None where it exists now.

    Where the broker's rules do not allow the settings that are only wished for, it is created without them.
    """
    new = NewTopic(topic, partitions, -1, config={**(settings or {}), **(wishes or {})})
    try:
        admin.create_topics([new], request_timeout=CREATE_TIMEOUT)[topic].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return None
        if wishes and error.args[0].code() in (KafkaError.INVALID_CONFIG, KafkaError.POLICY_VIOLATION):
            return create(admin, topic, partitions, settings)
        return f"the topic {topic} could not be created ({error.args[0].str()}): create it yourself"
    return None


def ask_settings(admin: AdminClient, topic: str) -> Settings:
    """The topic's settings, asked without waiting. Needs the right to describe its configuration."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    answer: Settings = admin.describe_configs([resource], request_timeout=CONFIG_TIMEOUT)[resource]
    return answer


def largest_batch(answer: Settings) -> int | None:
    """Bytes of the largest batch of records that the topic takes; None where the broker does not say."""
    try:
        return int(answer.result(0)["max.message.bytes"].value)
    except (KafkaException, TimeoutError, KeyError, ValueError):
        return None


def settings(admin: AdminClient, topic: str) -> dict[str, str]:
    """The settings of a topic, the broker's defaults included; none where the broker does not tell."""
    try:
        found = ask_settings(admin, topic).result()
    except KafkaException:
        return {}
    return {name: entry.value for name, entry in found.items() if entry.value is not None}


def ask_ids(admin: AdminClient, names: Iterable[str]) -> Descriptions:
    """What the topics are, asked without waiting."""
    answers: Descriptions = admin.describe_topics(TopicCollection(sorted(names)), request_timeout=METADATA_TIMEOUT)
    return answers


def known_ids(answers: Descriptions) -> dict[str, bytes]:
    """What tells a topic from one of the same name that was there before. Those that the broker does not tell are left out."""
    found = {}
    for name, answer in answers.items():
        try:
            uuid = topic_id(answer.result())
        except KafkaException:
            continue
        if uuid:
            found[name] = uuid
    return found


def leaderless(answers: Descriptions) -> frozenset[tuple[str, int]]:
    """Partitions that nobody can read or write, since no broker that has them is there."""
    found = set()
    for name, answer in answers.items():
        with contextlib.suppress(KafkaException):
            for each in answer.result().partitions:
                if each.leader is None or each.leader.id < 0:
                    found.add((name, each.id))
    return frozenset(found)


def topic_id(described: TopicDescription) -> bytes:
    """Nothing where the broker is older than topic ids are."""
    high, low = described.topic_id.get_most_significant_bits(), described.topic_id.get_least_significant_bits()
    return struct.pack(">qq", high, low) if high or low else b""


def ids(admin: AdminClient, names: Iterable[str]) -> dict[str, bytes]:
    """The same, waited for."""
    return known_ids(ask_ids(admin, names))
