"""What the pod says of itself: the engine's parts put into one document."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kafkatrigger.api import pod_status
from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.pod_status import PartitionStatus, PodStatus
from kafkatrigger.consumer.breaker import Breaker
from kafkatrigger.consumer.dispatcher import Dispatcher
from kafkatrigger.consumer.lanes import MOST_PARKED, Lanes
from kafkatrigger.consumer.outcomes import Outcomes
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.runtime_link import RuntimeLink
from kafkatrigger.consumer.source import Source
from kafkatrigger.consumer.startup import Problem
from kafkatrigger.consumer.stopping import Stopping, sentence
from kafkatrigger.consumer.tracing import Tracing


class Parts(NamedTuple):
    """Of the engine."""

    config: ConsumerConfig
    dispatcher: Dispatcher
    lanes: Lanes
    outcomes: Outcomes
    link: RuntimeLink
    breaker: Breaker
    stopping: Stopping
    tracing: Tracing | None


def status(parts: Parts, source: Source | None, problem: Problem, lost: int) -> PodStatus:
    """The document; `problem` is the reason that applies and its message."""
    config, outbox = parts.config, parts.outcomes.outbox
    reason, message = problem
    blocked = Counter(lane.partition for lane in parts.lanes.blocked)
    return PodStatus(
        trigger=f"{config.namespace}/{config.name}",
        ready=reason == pod_status.CONSUMING,
        reason=reason,
        message=message,
        group_id=config.group_id,
        partitions=_partitions(parts, source, blocked),
        in_flight=parts.dispatcher.in_flight,
        waiting=parts.lanes.waiting,
        outcomes=dict(outbox.acknowledged),
        worker_restarts=dict(parts.link.restarts),
        rebalances=source.rebalances if source else 0,
        group_protocol=source.protocol if source else "",
        blocked_keys=blocked.total(),
        parked_keys=len(parts.lanes),
        blocked_message=_blocked_message(blocked),
        breaker_open=parts.breaker.open,
        dead_letter_problem=outbox.problems.get(config.dead_letter.topic, ""),
        stopped=parts.stopping.own,
        attempts=dict(parts.outcomes.attempts),
        retention_warning=_retention_warning(source, parts.lanes, lost),
        lost_offsets=lost + (source.log_changes.lost if source else 0),
        log_change=source.log_changes.sentence if source else "",
        last_failures=parts.outcomes.last_failures.messages,
        spans_dropped=parts.tracing.sender.dropped if parts.tracing is not None else 0,
        clock=time.monotonic(),
    )


def reason(parts: Parts, source: Source | None) -> Problem:
    """The first that applies of what keeps messages from flowing."""
    config, outbox = parts.config, parts.outcomes.outbox
    if refusing := [each.topic for each in config.result_topics if each.topic in outbox.problems]:
        return pod_status.RESPONSE_UNAVAILABLE, outbox.problems[refusing[0]]
    if parts.link.problem is not None:
        return parts.link.problem
    if source is None or not source.is_member():
        return pod_status.JOINING_GROUP, f"joining the group {config.group_id}"
    if source.strangers:
        return pod_status.GROUP_SHARED, (
            f"members that are not of this trigger are in its group {config.group_id}: {source.strangers}. What they are given "
            "is never run: end them, or delete this trigger and create it with another source.groupId"
        )
    if leaderless := source.leaderless:
        return pod_status.PARTITION_UNAVAILABLE, (
            f"no broker leads {names(leaderless)}, so nothing of it can be read: bring back the brokers that hold it"
        )
    if point := parts.stopping.point:
        return pod_status.STOPPED_ON_FAILURE, sentence(point)
    if parts.breaker.open:
        return pod_status.FAILURE_RATE_HIGH, (
            "so many messages fail that the fault is hardly theirs: dispatch has stopped, and one message at a time probes; "
            "look at the log of the container runtime"
        )
    if full := _full(parts.lanes, source):
        return pod_status.PARTITION_STOPPED, (
            f"{names(full)} has so many blocked keys that no more can be remembered, and stands still: decide about them with "
            "kafkatrigger blocked"
        )
    if config.topic_pattern and not source.partitions:
        return pod_status.CONSUMING, (
            f"holding no partition: no topic matches {config.topic_pattern} yet, or other pods hold them all"
        )
    return pod_status.CONSUMING, f"consuming {len(source.partitions)} partitions"


def _full(lanes: Lanes, source: Source) -> list[Partition]:
    """Partitions that stand still until somebody decides; one that waits for retries goes on by itself."""
    blocked = Counter(lane.partition for lane in lanes.blocked)
    return [partition for partition, count in blocked.items() if count > MOST_PARKED and source.is_stopped(partition)]


def names(partitions: Iterable[Partition]) -> str:
    """A few of them."""
    return ", ".join(sorted(partition.name for partition in partitions)[:10])


def _partitions(parts: Parts, source: Source | None, blocked: Mapping[Partition, int]) -> list[PartitionStatus]:
    if source is None:
        return []
    now = time.monotonic()
    ends, in_flight, oldest = source.ends(), parts.dispatcher.in_flight_by_partition(), parts.dispatcher.oldest()
    return [
        _partition(each, ends.get(each), in_flight[each], blocked.get(each, 0), oldest.get(each), now)
        for each in source.partitions.values()
    ]


def _partition(
    partition: Partition, end: int | None, in_flight: int, blocked: int, oldest: float | None, now: float
) -> PartitionStatus:
    committed = partition.committed.watermark if partition.committed else None
    watermark = committed or 0
    processed = partition.processed
    return PartitionStatus(
        topic=partition.topic,
        partition=partition.number,
        watermark=watermark,
        committed=committed,
        lag=max(0, end - watermark) if end is not None else None,
        started=partition.origin.reason,
        end=end,
        in_flight=in_flight,
        parked_keys=len(partition.lanes),
        blocked_keys=blocked,
        oldest_in_flight_seconds=now - oldest if oldest is not None else None,
        last_progress_seconds=now - partition.progressed_at if partition.progressed_at else None,
        epoch=partition.epoch,
        processed=processed.watermark if processed else None,
        timestamp=partition.samples.below(watermark),
        topic_id=partition.origin.topic_id.hex(),
    )


def _blocked_message(blocked: Counter[Partition]) -> str:
    if not blocked:
        return ""
    return f"{blocked.total()} keys of {names(blocked)} wait for a decision: kafkatrigger blocked list"


def _retention_warning(source: Source | None, lanes: Lanes, lost: int) -> str:
    """What waits in the log may be removed from it before anybody decided."""
    if lost:
        return f"retention removed {lost} offsets that blocked keys waited at: what was there is lost"
    if source is None:
        return ""
    waiting = lanes.blocked | lanes.stopped
    near = {lane.partition for lane in waiting if source.is_near_removal(lane.partition, lane.first)}
    if not near:
        return ""
    return f"retention is about to remove messages that wait for a decision, of {names(near)}: decide about them"
