"""The group's committed offsets, as brokers keep them: for how long without members, and their end."""

from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigEntry, ConfigResource, DescribeClusterResult, ResourceType

from kafkatrigger.api.moves import Group
from kafkatrigger.kafka.brokers import Brokers, where_it_matters

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
