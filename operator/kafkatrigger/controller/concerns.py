"""Conditions that are there only while they apply, from what the pods say. Pure.

What was said before stands until every wanted pod holds its partitions and says otherwise: a restart of the operator or
a rollout ends no trouble. Keys stay blocked, and messages near retention stay there, while no pod runs at all.
"""

from collections.abc import Sequence

from kafkatrigger.api import pod_status
from kafkatrigger.controller import contest, expiry
from kafkatrigger.controller.cache import Body
from kafkatrigger.controller.conditions import (
    CONSUMING,
    DEAD_LETTER_UNAVAILABLE,
    FAILURE_RATE_HIGH,
    KEYS_BLOCKED,
    WARNING,
    Verdict,
    find,
    recalled,
    yes,
)
from kafkatrigger.controller.observation import Observation
from kafkatrigger.controller.reports import Report

_LASTING = (KEYS_BLOCKED, WARNING)
"""They are about the log, so they outlive the pods."""
_ANEW = (expiry.REASON, contest.REASON)
"""They are no pod's to tell: computed anew each time."""


def concerns(seen: Observation, blocked: int, before: Sequence[Body], now: str) -> dict[str, Verdict]:
    """The conditions that apply; `blocked` is the number of blocked keys."""
    reports = seen.reports
    found = {
        KEYS_BLOCKED: _keys_blocked(seen.name, reports, blocked),
        DEAD_LETTER_UNAVAILABLE: _dead_letter(reports),
        FAILURE_RATE_HIGH: _failure_rate(reports),
        WARNING: _retention(reports),
    }
    kept = {kind: said or _kept(kind, seen, before) for kind, said in found.items()}
    kept[WARNING] = kept[WARNING] or _expiring(seen, before, now) or seen.contested
    return {kind: said for kind, said in kept.items() if said}


def blocked_keys(seen: Observation, before: int) -> int:
    """How many keys are blocked; not fewer than before until all pods can tell."""
    count = sum(report.blocked_keys for report in seen.reports)
    return count if _all_told(seen) else max(count, before)


def _all_told(seen: Observation) -> bool:
    """Whether every wanted pod is there and said what it knows."""
    pods = seen.workload.staying if seen.workload else []
    told = sum(report.settled for report in seen.reports)
    return len(pods) == told and told >= max(1, seen.desired)


def _kept(kind: str, seen: Observation, before: Sequence[Body]) -> Verdict | None:
    stands = not _all_told(seen) and (seen.desired or kind in _LASTING)
    said = recalled(before, kind) if stands else None
    return None if said and said.reason in _ANEW else said


def _keys_blocked(name: str, reports: Sequence[Report], count: int) -> Verdict | None:
    if not any(report.blocked_keys for report in reports):
        return None
    full = any(report.reason == pod_status.PARTITION_STOPPED for report in reports)
    keys = "1 key waits" if count == 1 else f"{count} keys wait"
    more = next((f" ({report.blocked_message})" for report in reports if report.blocked_message), "")
    return yes(
        "PartitionStopped" if full else "KeysBlocked",
        f"{keys} for a decision{more}: `kubectl kafkatrigger blocked list {name}` shows which; "
        "retry, skip or dead-letter each",
    )


def _dead_letter(reports: Sequence[Report]) -> Verdict | None:
    for report in reports:
        problem = report.dead_letter_problem
        if not problem and report.reason == pod_status.DEAD_LETTER_UNAVAILABLE:
            problem = report.message
        if problem:
            return yes("DeadLetterUnavailable", problem)
    return None


def _failure_rate(reports: Sequence[Report]) -> Verdict | None:
    if not any(report.breaker_open for report in reports):
        return None
    return yes(
        "FailureRateHigh",
        "so many messages fail that the fault is hardly theirs: dispatch has stopped, and one message at a time probes. "
        "Mend what the transformation depends on; it goes on by itself. spec.delivery.breaker sets the limits",
    )


def _retention(reports: Sequence[Report]) -> Verdict | None:
    return next((yes("RetentionNear", said) for report in reports if (said := report.retention_warning)), None)


def _expiring(seen: Observation, before: Sequence[Body], now: str) -> Verdict | None:
    """Of a group that had offsets once, while no pods are wanted."""
    if seen.desired or not seen.accepted.holds or not seen.has_checkpoint:
        return None
    if seen.retention is None:  # not asked yet, as after a restart of the operator
        said = recalled(before, WARNING)
        return said if said and said.reason == expiry.REASON else None
    consumed = find(before, CONSUMING)
    since = consumed["lastTransitionTime"] if consumed and consumed["status"] == "False" else now
    mend = "set spec.suspend to false" if seen.suspended else "raise scaling.replicas"
    return expiry.expiring(since, seen.retention, now, mend)
