"""Kubernetes Events for what a person would want to know, without repeating them."""

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from kafkatrigger.api.resources import API_VERSION, KIND
from kafkatrigger.controller.cache import Body, Trigger
from kafkatrigger.controller.cluster import Cluster, ClusterError
from kafkatrigger.controller.conditions import (
    ACCEPTED,
    DEAD_LETTER_UNAVAILABLE,
    KEYS_BLOCKED,
    READY,
    SUSPENDED,
    WARNING,
    find,
)
from kafkatrigger.controller.names import FIELD_MANAGER

_log = logging.getLogger(__name__)

QUIET = 60.0
"""Seconds in which the same event is not written again."""
REMEMBERED = 10_000
"""Events known as written before."""
# A trigger passes these by itself on its way up; only when it fell back from Ready are they worth an event.
_STEPS = {
    "Checking", "Progressing", "Stopping", "WaitingForPods", "PodsNotReady", "JoiningGroup", "RuntimeNotConnected",
    "TransformationLoading", "Draining", "Suspended", "ScaledToZero", "Replaying", "GroupChanging",
    "BrokersAwaited",
}  # fmt: skip
_ASKED_FOR = ("Suspended", "ScaledToZero", "Replaying", "GroupChanging")
"""Why there are no pods where somebody wanted that."""


@dataclass(frozen=True)
class Notice:
    """What to tell: Normal or Warning, one CamelCase word, a sentence."""

    kind: str
    reason: str
    message: str


_CONCERNS: Mapping[str, Notice | None] = {
    KEYS_BLOCKED: Notice("Normal", "KeysReleased", "no key is blocked any more"),
    DEAD_LETTER_UNAVAILABLE: Notice("Normal", "DeadLetterAvailable", "the dead-letter topic takes records again"),
    WARNING: None,
}
"""Conditions that are there only while they apply, and what is told when they go. FailureRateHigh is a matter of Ready."""


def transitions(before: Iterable[Body], after: Iterable[Body]) -> Iterator[Notice]:
    """What changed between two sets of conditions that a person would want to know."""
    before, after = list(before), list(after)
    yield from _suspension(before, after)
    yield from _acceptance(before, after)
    ready = find(after, READY) or {}
    yield from _readiness(find(before, READY) or {}, ready)
    for kind, end in _CONCERNS.items():
        yield from _concern(find(before, kind), find(after, kind), end, ready.get("reason", ""))


def log_changes(said: Iterable[str], before: Iterable[str]) -> Iterator[Notice]:
    """What pods say that happened to the source's logs, where they did not say it before."""
    for sentence in sorted(set(said) - {"", *before}):
        yield Notice("Warning", "LogChanged", sentence)


def _suspension(before: list[Body], after: list[Body]) -> Iterator[Notice]:
    was, is_now = find(before, SUSPENDED), find(after, SUSPENDED)
    if is_now and not was:
        yield Notice("Normal", "Suspended", is_now["message"])
    if was and not is_now:
        yield Notice("Normal", "Resumed", "spec.suspend is false again: consuming from the group's offsets")


def _acceptance(before: list[Body], after: list[Body]) -> Iterator[Notice]:
    was, is_now = find(before, ACCEPTED) or {}, find(after, ACCEPTED) or {}
    if is_now.get("status") == "False" and (was.get("status"), was.get("message")) != ("False", is_now["message"]):
        yield Notice("Warning", is_now["reason"], is_now["message"])
    if is_now.get("status") == "True" and was.get("status") == "False":
        yield Notice("Normal", "Accepted", is_now["message"])


def _readiness(was: Body, is_now: Body) -> Iterator[Notice]:
    reason, message = is_now.get("reason", ""), is_now.get("message", "")
    if is_now.get("status") == "True":
        if was.get("status") != "True":
            yield Notice("Normal", "Ready", message)
    elif was.get("status") == "True" and not _is_asked_for(was, is_now):
        yield Notice("Warning", "NotReady", f"{reason}: {message}")
    elif was.get("reason") != reason and reason not in _STEPS and reason not in ("InvalidSpec", "GroupInUse"):
        yield Notice("Warning", reason, message)


def _concern(was: Body | None, is_now: Body | None, end: Notice | None, of_ready: str) -> Iterator[Notice]:
    """A condition that is there only while it applies came, got another reason, or went; not what Ready tells already."""
    if is_now and (not was or was["reason"] != is_now["reason"]) and is_now["reason"] != of_ready:
        yield Notice("Warning", is_now["reason"], is_now["message"])
    if was and not is_now and end:
        yield end


def _is_asked_for(was: Body, is_now: Body) -> bool:
    """Somebody stopped the trigger, or changed it and its pods are being replaced: nothing to warn of."""
    changed = was.get("observedGeneration") != is_now.get("observedGeneration")
    return is_now["reason"] in _ASKED_FOR or (changed and is_now["reason"] in _STEPS)


class Recorder:
    """Writes events. An event that was written before is counted up; one that was written just now is left out."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._written: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def record(self, trigger: Trigger, notice: Notice) -> None:
        """Never fails: an event is not worth a retry."""
        name = _name(trigger, notice)
        written, count = self._written.get(name, (-QUIET, 0))
        if time.monotonic() - written < QUIET:
            return
        self._remember(name, count + 1)
        try:
            await self._write(name, trigger, notice, count + 1)
        except ClusterError as error:
            _log.warning("cannot write the event %s: %s", notice.reason, error, extra=trigger.key.facts)

    def _remember(self, name: str, count: int) -> None:
        self._written[name] = (time.monotonic(), count)
        self._written.move_to_end(name)
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)

    async def _write(self, name: str, trigger: Trigger, notice: Notice, count: int) -> None:
        event = _event(name, trigger, notice, count)
        if count > 1:
            try:
                changed = {field: event[field] for field in ("kind", "apiVersion", "count", "lastTimestamp")}
                await self._cluster.patch({**changed, "metadata": event["metadata"]})
                return
            except ClusterError as error:
                if error.status != 404:  # the API server forgets events after an hour
                    raise
        try:
            await self._cluster.create(event)
        except ClusterError as error:
            if error.status != 409:  # written by the operator's last run
                raise


def _name(trigger: Trigger, notice: Notice) -> str:
    text = "\0".join((trigger.uid, notice.reason, notice.message))
    return f"{trigger.key.name}.{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _event(name: str, trigger: Trigger, notice: Notice, count: int) -> dict[str, object]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": trigger.key.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": trigger.key.namespace,
            "name": trigger.key.name,
            "uid": trigger.uid,
        },
        "type": notice.kind,
        "reason": notice.reason,
        "message": notice.message[:1024],
        "count": count,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
    }
