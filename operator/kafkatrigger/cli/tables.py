"""Tables of what consumers say of themselves: for `describe` and `top`. Pure."""

from collections.abc import Iterator, Sequence

from kafkatrigger.api.pod_status import FailedMessage, PartitionStatus, PodStatus
from kafkatrigger.api.selection import message_id
from kafkatrigger.cli import rates
from kafkatrigger.cli.rates import Pods
from kafkatrigger.cli.render import number, table, when

_FAILURES = ("LAST FAILURES", "REASON", "CLASS", "ATTEMPT", "WHEN", "CONSUMER")
_PODS = ("CONSUMER", "READY", "REASON", "IN/S", "OUT/S", "FAILED/S", "IN FLIGHT", "WAITING", "BLOCKED KEYS")
SHOWN = 10
"""Failures on one screen."""


def held(pods: Pods) -> Iterator[tuple[str, PodStatus, PartitionStatus]]:
    """All partitions with who holds them, in their order."""
    each = [(name, pod, partition) for name, pod in pods.items() for partition in pod.partitions]
    yield from sorted(each, key=lambda row: (row[2].topic, row[2].partition, row[0]))


def pod_table(before: Pods, now: Pods) -> str:
    """A line for each consumer."""
    return table(_PODS, [_pod(name, before.get(name), pod) for name, pod in sorted(now.items())])


def _pod(name: str, before: PodStatus | None, pod: PodStatus) -> Sequence[str]:
    flow = (number(each) for each in rates.of_pod(before, pod))
    counts = (str(each) for each in (pod.in_flight, pod.waiting, pod.blocked_keys))
    return short(name), "True" if pod.ready else "False", pod.reason, *flow, *counts


def failure_table(pods: Pods) -> str:
    """The messages that failed last, the latest first; empty where none did."""
    each = [(failed, name) for name, pod in pods.items() for failed in pod.last_failures]
    latest = sorted(each, key=lambda row: -row[0].failed_at)[:SHOWN]
    return table(_FAILURES, [_failure(*row) for row in latest]) if latest else ""


def _failure(failed: FailedMessage, consumer: str) -> Sequence[str]:
    attempt = f"{failed.attempt} (last)" if failed.final else str(failed.attempt)
    place = message_id(failed.topic, failed.partition, failed.offset)
    return place, failed.reason, failed.error_class, attempt, when(failed.failed_at), short(consumer)


def short(consumer: str) -> str:
    """Without the namespace."""
    return consumer.rpartition("/")[2]
