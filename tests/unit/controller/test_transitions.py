"""Which events a change of the conditions makes."""

from typing import Any

import pytest

from kafkatrigger.controller.events import log_changes, transitions

Conditions = list[dict[str, Any]]


def conditions(
    ready: str,
    reason: str,
    *,
    accepted: str = "True",
    suspended: bool = False,
    accepted_reason: str = "Accepted",
    generation: int = 1,
) -> Conditions:
    message = f"because of {reason}"
    made: Conditions = [
        {"type": "Ready", "status": ready, "reason": reason, "message": message, "observedGeneration": generation},
        {"type": "Accepted", "status": accepted, "reason": accepted_reason, "message": "m"},
    ]
    return (
        [*made, {"type": "Suspended", "status": "True", "reason": "Suspended", "message": "s"}] if suspended else made
    )


NEW: Conditions = []
WELL = conditions("True", "Consuming")
JOINING = conditions("False", "JoiningGroup")
NO_TOPIC = conditions("False", "TopicNotFound")
INVALID = conditions("False", "InvalidSpec", accepted="False", accepted_reason="InvalidSpec")
SUSPENDED = conditions("False", "Suspended", suspended=True)


def with_concern(kind: str, reason: str, message: str = "m", ready: Conditions = WELL) -> Conditions:
    return [*ready, {"type": kind, "status": "True", "reason": reason, "message": message}]


BLOCKED = with_concern("KeysBlocked", "KeysBlocked", "2 keys")
MORE_BLOCKED = with_concern("KeysBlocked", "KeysBlocked", "3 keys")
FULL = with_concern("KeysBlocked", "PartitionStopped")
NO_LETTERS = with_concern("DeadLetterUnavailable", "DeadLetterUnavailable")
NO_LETTERS_AT_ALL = with_concern(
    "DeadLetterUnavailable", "DeadLetterUnavailable", ready=conditions("False", "DeadLetterUnavailable")
)
EXPIRING = with_concern("Warning", "RetentionNear")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (NEW, JOINING, []),
        (NEW, conditions("Unknown", "Checking"), []),
        (JOINING, WELL, [("Normal", "Ready")]),
        (WELL, WELL, []),
        (NEW, NO_TOPIC, [("Warning", "TopicNotFound")]),
        (NO_TOPIC, NO_TOPIC, []),
        (WELL, NO_TOPIC, [("Warning", "NotReady")]),
        (WELL, JOINING, [("Warning", "NotReady")]),
        (WELL, conditions("False", "Progressing"), [("Warning", "NotReady")]),
        (WELL, conditions("False", "Progressing", generation=2), []),
        (WELL, conditions("False", "TopicNotFound", generation=2), [("Warning", "NotReady")]),
        (NEW, INVALID, [("Warning", "InvalidSpec")]),
        (INVALID, INVALID, []),
        (INVALID, JOINING, [("Normal", "Accepted")]),
        (WELL, SUSPENDED, [("Normal", "Suspended")]),
        (SUSPENDED, SUSPENDED, []),
        (SUSPENDED, JOINING, [("Normal", "Resumed")]),
        (WELL, BLOCKED, [("Warning", "KeysBlocked")]),
        (BLOCKED, BLOCKED, []),
        (BLOCKED, MORE_BLOCKED, []),
        (BLOCKED, FULL, [("Warning", "PartitionStopped")]),
        (BLOCKED, WELL, [("Normal", "KeysReleased")]),
        (WELL, NO_LETTERS, [("Warning", "DeadLetterUnavailable")]),
        (NO_LETTERS, WELL, [("Normal", "DeadLetterAvailable")]),
        (NEW, NO_LETTERS_AT_ALL, [("Warning", "DeadLetterUnavailable")]),
        (WELL, EXPIRING, [("Warning", "RetentionNear")]),
        (EXPIRING, WELL, []),
        (WELL, conditions("False", "StoppedOnFailure"), [("Warning", "NotReady")]),
        (JOINING, conditions("False", "StoppedOnFailure"), [("Warning", "StoppedOnFailure")]),
    ],
)
def test_transition(before: Conditions, after: Conditions, expected: list[tuple[str, str]]) -> None:
    assert [(notice.kind, notice.reason) for notice in transitions(before, after)] == expected


def test_not_ready_says_why() -> None:
    (notice,) = transitions(WELL, NO_TOPIC)
    assert notice.message == "TopicNotFound: because of TopicNotFound"


def test_what_happened_to_a_log_is_told_once() -> None:
    first = list(log_changes(["", "t-0: offset 5 was removed"], ()))
    assert [(notice.kind, notice.reason) for notice in first] == [("Warning", "LogChanged")]
    assert list(log_changes(["t-0: offset 5 was removed"], ["t-0: offset 5 was removed"])) == []
    later = log_changes(["t-0: offset 5 was removed", "t-1: made anew"], ["t-0: offset 5 was removed"])
    assert [notice.message for notice in later] == ["t-1: made anew"]
