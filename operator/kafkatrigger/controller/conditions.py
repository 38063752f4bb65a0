"""Conditions: what is said about a trigger, and when it changed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kafkatrigger.controller.cache import Body

READY = "Ready"
ACCEPTED = "Accepted"
CONNECTED = "Connected"
DEPLOYED = "Deployed"
CONSUMING = "Consuming"
SUSPENDED = "Suspended"
KEYS_BLOCKED = "KeysBlocked"
DEAD_LETTER_UNAVAILABLE = "DeadLetterUnavailable"
FAILURE_RATE_HIGH = "FailureRateHigh"
REPLAYING = "Replaying"
WARNING = "Warning"

TYPES = frozenset(
    {
        READY, ACCEPTED, CONNECTED, DEPLOYED, CONSUMING,
        SUSPENDED, KEYS_BLOCKED, DEAD_LETTER_UNAVAILABLE, FAILURE_RATE_HIGH, REPLAYING, WARNING,
    }
)  # fmt: skip
"""All that the operator writes."""

LONGEST_MESSAGE = 1024


@dataclass(frozen=True)
class Verdict:
    """One condition's status, its reason as one CamelCase word, and a message that says what to do."""

    status: str
    reason: str
    message: str

    @property
    def holds(self) -> bool:
        return self.status == "True"


def yes(reason: str, message: str) -> Verdict:
    return Verdict("True", reason, message)


def no(reason: str, message: str) -> Verdict:
    return Verdict("False", reason, message)


def unknown(reason: str, message: str) -> Verdict:
    return Verdict("Unknown", reason, message)


def find(conditions: Iterable[Body], kind: str) -> Body | None:
    """The condition of a type."""
    return next((each for each in conditions if each.get("type") == kind), None)


def recalled(conditions: Iterable[Body], kind: str) -> Verdict | None:
    """What was said before."""
    condition = find(conditions, kind)
    return Verdict(condition["status"], condition["reason"], condition["message"]) if condition else None


def verdict(conditions: Iterable[Body], kind: str, generation: int) -> Verdict | None:
    """What was said before about this generation."""
    condition = find(conditions, kind)
    if condition is None or condition.get("observedGeneration") != generation:
        return None
    return recalled([condition], kind)


def conditions(
    verdicts: Mapping[str, Verdict], previous: Iterable[Body], generation: int, now: str
) -> list[dict[str, Any]]:
    """The conditions to write; one whose status did not change keeps the time of its transition."""
    before = {each.get("type"): each for each in previous}
    return [_condition(kind, each, before.get(kind), generation, now) for kind, each in verdicts.items()]


def _condition(kind: str, said: Verdict, before: Body | None, generation: int, now: str) -> dict[str, Any]:
    same = before is not None and before.get("status") == said.status
    message = said.message if len(said.message) <= LONGEST_MESSAGE else f"{said.message[: LONGEST_MESSAGE - 1]}…"
    return {
        "type": kind,
        "status": said.status,
        "reason": said.reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if before is not None and same else now,
    }
