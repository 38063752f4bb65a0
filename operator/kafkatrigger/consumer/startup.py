"""What has to be there before the group is joined: brokers that answer, and the topics."""

from collections.abc import Mapping

from confluent_kafka.admin import AdminClient

from kafkatrigger.api import pod_status
from kafkatrigger.api.consumer_config import ConsumerConfig, TopicSettings
from kafkatrigger.api.topic_pattern import matching
from kafkatrigger.kafka import topics

KEPT_FOR_EVER = {"retention.ms": "-1"}
"""Dead letters keep the time of their message: by the broker's default those of old messages would be removed at once."""

Problem = tuple[str, str]
"""Reason and message."""


def missing(config: ConsumerConfig, admin: AdminClient) -> Problem | None:
    """What of Kafka is not there yet; makes the topics that are to be made."""
    try:
        existing = topics.partition_counts(admin, ", ".join(config.bootstrap_servers))
    except topics.BrokersUnreachableError as error:
        return pod_status.BROKER_UNREACHABLE, str(error)
    if absent := topics.missing(config.topics, existing):
        return pod_status.TOPIC_MISSING, absent
    sources = config.topics or matching(config.topic_pattern, existing)
    partitions = max((existing[topic] for topic in sources), default=topics.AS_THE_BROKER_LIKES)
    if config.response and (problem := _ensure(admin, config.response, existing, partitions, "spec.response")):
        return pod_status.RESPONSE_UNAVAILABLE, problem
    for output in config.output_topics:
        if problem := _ensure(admin, output, existing, partitions, "spec.transformation"):
            return pod_status.RESPONSE_UNAVAILABLE, problem
    # A decision about a blocked key may be to write a dead letter.
    writes_letters = config.on_failure == "DeadLetter" or (config.on_failure == "Block" and config.dead_letter.create)
    if writes_letters and (
        problem := _ensure(admin, config.dead_letter, existing, partitions, "spec.delivery.deadLetter", KEPT_FOR_EVER)
    ):
        return pod_status.DEAD_LETTER_UNAVAILABLE, problem
    return None


def _ensure(
    admin: AdminClient,
    wanted: TopicSettings,
    existing: dict[str, int],
    partitions: int,
    field: str,
    settings: Mapping[str, str] | None = None,
) -> str | None:
    if wanted.topic in existing:
        return None
    if wanted.create:
        return topics.create(admin, wanted.topic, partitions, settings, {"max.message.bytes": str(wanted.max_bytes)})
    return f"the topic {wanted.topic} does not exist: create it, set {field}.create or correct {field}.topic"
