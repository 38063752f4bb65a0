"""What people decide about lanes that wait for them. Answers the requests of the control socket."""

import logging

from kafkatrigger.api.control import Action, Answer, BlockedKey, ListBlocked, Request, ResolveBlocked
from kafkatrigger.api.frames import Failed
from kafkatrigger.consumer.lanes import Lane, Lanes

log = logging.getLogger(__name__)

_UNKNOWN = Failed("", "", "it failed before this pod started", True)


def handle(lanes: Lanes, request: Request) -> Answer:
    """Does what is asked, by the engine's thread."""
    if isinstance(request, ListBlocked):
        return Answer(blocked=[_described(lane) for lane in sorted(lanes.blocked, key=place)])
    if isinstance(request, ResolveBlocked):
        wanted = {(each.topic, each.partition, each.offset) for each in request.keys}
        chosen = [lane for lane in lanes.blocked if place(lane) in wanted]
        for lane in chosen:
            _tell(lane, request.action)
            lanes.unblock(lane, request.action)
        return Answer(count=len(chosen))
    resumed = list(lanes.stopped)
    for lane in resumed:
        _tell(lane, "retry")
        lanes.unblock(lane, "retry")
    return Answer(count=len(resumed))


def _tell(lane: Lane, action: Action) -> None:
    """Who skips a message gives it up: that is on record."""
    facts = lane.partition.facts(lane.stopped_at)
    log.warning("%s-%d: somebody decided: %s", lane.partition.name, lane.stopped_at, action, extra=facts)


def place(lane: Lane) -> tuple[str, int, int]:
    """The message at which the lane stopped."""
    return lane.partition.topic, lane.partition.number, lane.stopped_at


def _described(lane: Lane) -> BlockedKey:
    failure = lane.failure or _UNKNOWN
    topic, partition, offset = place(lane)
    return BlockedKey(
        topic=topic,
        partition=partition,
        offset=offset,
        key=lane.failed[4] if lane.failed else lane.key,
        attempts=lane.tried.get(offset, 0),
        reason=failure.reason,
        error_class=failure.error_class,
        message=failure.message,
        timestamp=lane.failed[2] if lane.failed else 0,
        blocked_at=round(lane.blocked_at * 1000),
        waiting=lane.waiting,
    )
