"""The group's committed offsets, as brokers keep them: what they are, for how long without members, and their end."""

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import ConfigEntry, ConfigResource, DescribeClusterResult, ResourceType

from kafkatrigger.api.moves import Group
from kafkatrigger.kafka.admin import Admin
from kafkatrigger.kafka.brokers import Brokers, where_it_matters
from kafkatrigger.kafka.log_offsets import Place

REQUEST_TIMEOUT = 5.0
"""Seconds."""
RETENTION = "offsets.retention.minutes"

_GONE = KafkaError.GROUP_ID_NOT_FOUND
_BUSY = KafkaError.NON_EMPTY_GROUP


@dataclass(frozen=True)
class Servers:
    """Whom to ask; `namespace` as in `brokers.Target`."""

    servers: tuple[str, ...]
    namespace: str = ""


def servers(namespace: str, addresses: list[str]) -> Servers:
    """Whom a trigger asks, equal for triggers that ask the same."""
    return Servers(tuple(sorted(addresses)), where_it_matters(namespace, addresses))


def retention(brokers: Brokers, where: Servers) -> float | None:
    """Seconds that a group without members keeps its offsets; None where no broker answers or says so."""
    try:
        with brokers.admin(where.servers, where.namespace) as admin:
            described: Future[DescribeClusterResult] = admin.describe_cluster(request_timeout=REQUEST_TIMEOUT)
            resource = ConfigResource(ResourceType.BROKER, str(brokers.result(described).nodes[0].id))
            answer: Future[dict[str, ConfigEntry]] = admin.describe_configs(
                [resource], request_timeout=REQUEST_TIMEOUT
            )[resource]
            return 60.0 * int(brokers.result(answer)[RETENTION].value)
    except (KafkaException, TimeoutError, LookupError, ValueError, TypeError):
        return None


def committed(admin: Admin, group: str, places: Iterable[Place], *, is_stable: bool) -> dict[Place, TopicPartition]:
    """What the group has committed, with a negative offset where that is nothing; KafkaException.

    `is_stable`: offsets in transactions that are not over are no answer.
    """
    asked = [TopicPartition(*place) for place in places]
    if not asked:
        return {}
    # By a consumer, which joins nothing. An admin client that asks a broker which does not coordinate the group any more, or
    # not yet, ends the process: https://github.com/confluentinc/librdkafka/issues/5040.
    isolation = "read_committed" if is_stable else "read_uncommitted"
    consumer = Consumer({**admin.settings, "group.id": group, "isolation.level": isolation})
    try:
        found = consumer.committed(asked, timeout=REQUEST_TIMEOUT)
    finally:
        consumer.close()
    for each in found:
        if each.error is not None:
            raise KafkaException(each.error)
    return {(each.topic, each.partition): each for each in found}


def delete(brokers: Brokers, group: Group) -> str:
    """Deletes the group with its offsets; why that was not possible, or nothing when it is gone."""
    try:
        with brokers.admin(group.servers, group.namespace) as admin:
            brokers.result(admin.delete_consumer_groups([group.name], request_timeout=REQUEST_TIMEOUT)[group.name])
    except TimeoutError:
        return "no answer in time"
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        if reason.code() == _GONE:
            return ""
        return "it still has members" if reason.code() == _BUSY else reason.str()
    return ""
