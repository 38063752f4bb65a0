"""The status of a trigger, computed from what was observed. Pure."""

from collections.abc import Mapping
from typing import Any

from kafkatrigger.api.pod_status import GROUP_SHARED
from kafkatrigger.controller.cache import Body
from kafkatrigger.controller.concerns import blocked_keys, concerns
from kafkatrigger.controller.conditions import (
    ACCEPTED,
    CONNECTED,
    CONSUMING,
    DEPLOYED,
    READY,
    REPLAYING,
    SUSPENDED,
    TYPES,
    Verdict,
    conditions,
    find,
    no,
    unknown,
    verdict,
    yes,
)
from kafkatrigger.controller.names import selector_text
from kafkatrigger.controller.observation import Observation
from kafkatrigger.controller.progress import consuming, deployed
from kafkatrigger.controller.replay import as_status
from kafkatrigger.controller.reports import lag
from kafkatrigger.kafka.group_lag import Lag

SHOWN_TOPICS = 3


def status(seen: Observation, previous: Body, now: str) -> dict[str, Any]:
    """The whole status to write; equal to `previous` when nothing changed."""
    before = previous.get("conditions", [])
    judged = {
        ACCEPTED: _accepted(seen),
        CONNECTED: _connected(seen, verdict(before, CONNECTED, seen.generation)),
        DEPLOYED: deployed(seen),
        CONSUMING: consuming(seen, verdict(before, CONSUMING, seen.generation)),
    }
    every = {READY: _ready(judged, seen, verdict(before, READY, seen.generation)), **judged}
    if seen.suspended:
        every[SUSPENDED] = yes("Suspended", "spec.suspend is true: no pods run; the group's offsets are kept")
    if seen.replay.said:
        every[REPLAYING] = seen.replay.said
    blocked = blocked_keys(seen, previous.get("blockedKeys", {}).get("count", 0))
    every |= concerns(seen, blocked, before, now)
    result = {
        "observedGeneration": seen.generation,
        "conditions": conditions(every, before, seen.generation, now),
        "replicas": seen.workload.scale.replicas if seen.workload else 0,
        "selector": selector_text(seen.name),
    }
    result |= {"topicsText": _topics_text(seen.topics)} if seen.topics else {}
    replay = as_status(seen.replay.memory)
    result |= {"replay": replay} if replay else {}
    result |= {"blockedKeys": {"count": blocked}} if blocked else {}
    return result | _progress(seen, every[READY], previous)


def _progress(seen: Observation, ready: Verdict, previous: Body) -> dict[str, Any]:
    """Timestamps are written with a checkpoint, and so is the lag of pods; else they would be a write for every message.

    That of brokers comes only every few minutes (`lags`).
    """
    told = {name: previous[name] for name in ("partitionTimestamps", "lag") if name in previous}
    found = lag(seen.reports)
    if seen.remembered:
        told.pop("partitionTimestamps", None)
        # Of an offset that a replay chose nobody knows the time. A map that an apply empties is no map to the API server.
        if marks := {topic: dict(each) for topic, each in seen.remembered.timestamps.items() if each}:
            told["partitionTimestamps"] = marks
        found = seen.remembered.lag
    elif "lag" in told and ready.status == (find(previous.get("conditions", []), READY) or {}).get("status"):
        found = None
    elif found is None and ready.holds:  # what brokers said before there were pods must not stand beside them
        told.pop("lag", None)
    if seen.lag and seen.lag.messages is not None:
        found = seen.lag.messages
    return told if found is None else {**told, "lag": found}


def _ready(judged: Mapping[str, Verdict], seen: Observation, before: Verdict | None) -> Verdict:
    if seen.suspended and seen.accepted.holds:
        return no("Suspended", "spec.suspend is true: set it to false to consume again")
    for each in judged.values():
        if not each.holds:
            return _scaled_to_zero(seen.lag, before) if each.reason == "ScaledToZero" else each
    return yes("Consuming", judged[CONSUMING].message)


def _scaled_to_zero(found: Lag | None, before: Verdict | None) -> Verdict:
    """That nobody consumes, as somebody wanted, is well while nothing waits."""
    mend = "raise scaling.replicas to consume"
    if found is None:
        # Also after a restart of the operator: what was true a moment ago stands until there is an answer.
        known = before if before and before.reason == "ScaledToZero" else None
        return known or unknown("ScaledToZero", f"no pods are wanted, and the brokers are asked what waits: {mend}")
    if found.messages is None:
        return unknown(
            "ScaledToZero", f"no pods are wanted, and brokers do not say what waits ({found.problem}): {mend}"
        )
    if found.messages:
        return no("ScaledToZero", f"no pods are wanted, and messages wait: {mend}")
    return yes("ScaledToZero", f"no pods are wanted, and no messages wait: {mend}")


def _accepted(seen: Observation) -> Verdict:
    """With whom the group is shared only the pods notice."""
    shared = next((report for report in seen.reports if report.reason == GROUP_SHARED), None)
    return no(GROUP_SHARED, shared.message) if shared and seen.accepted.holds else seen.accepted


def _connected(seen: Observation, before: Verdict | None) -> Verdict:
    finding, servers = seen.finding, ", ".join(seen.servers)
    if not seen.servers:
        return unknown("NotAccepted", "the brokers are asked when the trigger is accepted")
    if finding is None:
        # Also after a restart of the operator: what was true a moment ago stands until there is an answer.
        return before or unknown("Checking", f"asking {servers}")
    if finding.unreachable:
        return no(
            "BrokersUnreachable",
            f"no broker of {servers} answers ({finding.unreachable}): "
            "check spec.kafka.bootstrapServers, the brokers and the network",
        )
    if finding.missing:
        names = ", ".join(finding.missing)
        return no("TopicNotFound", f"not found on {servers}: {names}. Create it, or correct spec.source.topics")
    if finding.refused:
        topic, words = finding.refused[0]
        return no("TopicRefused", f"{servers} refuses to describe the topic {topic}: {words}")
    return yes("Connected", f"{servers} answers and {_found(seen.topic_pattern, finding.matching)}")


def _found(pattern: str, matching: int) -> str:
    if not pattern:
        return "the source topics exist"
    if not matching:
        return f"no topic matches {pattern} yet: those that are made later are found"
    return f"{matching} topics match {pattern}" if matching > 1 else f"1 topic matches {pattern}"


def _topics_text(topics: tuple[str, ...]) -> str:
    rest = len(topics) - SHOWN_TOPICS
    return ", ".join(topics[:SHOWN_TOPICS]) + (f" and {rest} more" if rest > 0 else "")


def same(wanted: Body, stored: Body) -> bool:
    """Whether a write would change nothing; what others wrote into the status is not ours to compare."""
    now = {each["type"]: each for each in wanted["conditions"]}
    before = {each.get("type"): each for each in stored.get("conditions", []) if each.get("type") in TYPES}
    fields = (
        *("observedGeneration", "replicas", "selector", "topicsText", "blockedKeys"),
        *("replay", "partitionTimestamps", "lag"),
    )
    return now == before and all(wanted.get(field) == stored.get(field) for field in fields)
