"""Conditions that are there only while they apply."""

from typing import Any

import pytest

from kafkatrigger.api import pod_status
from kafkatrigger.api.stop import StopPoint
from kafkatrigger.controller.contest import warning
from kafkatrigger.controller.observation import Observation
from kafkatrigger.controller.reports import Held, Report
from kafkatrigger.controller.status import same, status
from tests.unit.controller.helpers import make_observation, make_pod, make_workload

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
HELD = frozenset({Held("machine-data", 0)})
WELL = Report(True, "Consuming", "consuming", HELD)
STARTING = Report(False, "JoiningGroup", "joining")
BLOCKED = Report(True, "Consuming", "consuming", HELD, blocked_keys=2, blocked_message="the oldest since Monday")
FULL = Report(False, pod_status.PARTITION_STOPPED, "no room", HELD, blocked_keys=90)
NO_LETTERS = Report(True, "Consuming", "consuming", HELD, dead_letter_problem="the topic dlq refuses writes")
NO_TOPIC = Report(False, pod_status.DEAD_LETTER_UNAVAILABLE, "dlq is missing")
BREAKER = Report(False, pod_status.FAILURE_RATE_HIGH, "probing", HELD, breaker_open=True)
EXPIRING = Report(True, "Consuming", "consuming", HELD, retention_warning="offset 5 is removed in an hour")

Status = dict[str, Any]


def seen(*reports: Report | None, **changes: Any) -> Observation:
    """A pod for each report; the ones that say nothing were not asked yet."""
    pods = [make_pod(f"p{number}", ready=bool(each and each.ready)) for number, each in enumerate(reports)]
    answers = {f"uid-p{number}": each for number, each in enumerate(reports) if each}
    fields = {"desired": len(pods), "workload": make_workload(*pods), "answers": answers, **changes}
    return make_observation(*pods, **fields)


def after(observation: Observation, before: Status | None = None) -> Status:
    return status(observation, before or {}, LATER if before else NOW)


def condition(of: Status, kind: str) -> dict[str, Any]:
    return next((each for each in of["conditions"] if each["type"] == kind), {})


def reason(of: Status, kind: str) -> tuple[str, str]:
    found = condition(of, kind)
    return found.get("status", ""), found.get("reason", "")


@pytest.mark.parametrize(
    ("said", "kind", "why", "words"),
    [
        (BLOCKED, "KeysBlocked", "KeysBlocked", "2 keys wait for a decision (the oldest since Monday)"),
        (
            FULL,
            "KeysBlocked",
            "PartitionStopped",
            "90 keys wait for a decision: `kubectl kafkatrigger blocked list rul`",
        ),
        (NO_LETTERS, "DeadLetterUnavailable", "DeadLetterUnavailable", "the topic dlq refuses writes"),
        (NO_TOPIC, "DeadLetterUnavailable", "DeadLetterUnavailable", "dlq is missing"),
        (BREAKER, "FailureRateHigh", "FailureRateHigh", "it goes on by itself"),
        (EXPIRING, "Warning", "RetentionNear", "offset 5 is removed in an hour"),
    ],
)
def test_what_a_pod_says(said: Report, kind: str, why: str, words: str) -> None:
    found = after(seen(said))
    assert reason(found, kind) == ("True", why)
    assert words in condition(found, kind)["message"]
    assert reason(found, "Ready")[0] == str(said.ready)
    assert kind not in {each["type"] for each in after(seen(WELL), found)["conditions"]}


def test_objects_that_somebody_else_changes() -> None:
    contested = warning(["Deployment rul-consumer"], "plant-7")
    found = after(seen(WELL, contested=contested))
    assert reason(found, "Warning") == ("True", "ObjectContested")
    assert reason(found, "Ready") == ("True", "Consuming")
    assert condition(after(seen(STARTING), found), "Warning") == {}
    assert reason(after(seen(EXPIRING, contested=contested), found), "Warning") == ("True", "RetentionNear")


def test_nothing_is_said_of_what_is_well() -> None:
    found = after(seen(WELL, WELL))
    assert [each["type"] for each in found["conditions"]] == ["Ready", "Accepted", "Connected", "Deployed", "Consuming"]
    assert "blockedKeys" not in found


def test_blocked_keys_of_all_pods_are_counted() -> None:
    found = after(seen(BLOCKED, BLOCKED, WELL))
    assert found["blockedKeys"] == {"count": 4}
    assert reason(found, "Ready") == ("True", "Consuming")
    assert "blockedKeys" not in after(seen(WELL, WELL, WELL), found)


def test_one_key_is_singular() -> None:
    one = Report(True, "Consuming", "", HELD, blocked_keys=1)
    assert condition(after(seen(one)), "KeysBlocked")["message"].startswith("1 key waits for a decision: `kubectl")


@pytest.mark.parametrize("told", [None, STARTING])
@pytest.mark.parametrize("said", [BLOCKED, EXPIRING, BREAKER, NO_LETTERS])
def test_what_was_said_stands_until_all_pods_can_tell(said: Report, told: Report | None) -> None:
    """After a restart of the operator, and while a rollout replaces the pods."""
    before = after(seen(said, WELL))
    found = after(seen(told, WELL), before)
    kinds = {"KeysBlocked", "Warning", "FailureRateHigh", "DeadLetterUnavailable"}
    assert [each for each in before["conditions"] if each["type"] in kinds] == [
        each for each in found["conditions"] if each["type"] in kinds
    ]
    assert found.get("blockedKeys") == before.get("blockedKeys")


def test_fewer_blocked_keys_are_believed_only_from_all() -> None:
    before = after(seen(BLOCKED, BLOCKED))
    assert after(seen(BLOCKED, STARTING), before)["blockedKeys"] == {"count": 4}
    assert after(seen(BLOCKED, WELL), before)["blockedKeys"] == {"count": 2}


def test_a_pod_that_is_missing_cannot_tell() -> None:
    before = after(seen(BLOCKED))
    assert after(seen(WELL, desired=2), before)["blockedKeys"] == {"count": 2}


def test_a_pod_of_a_rollout_may_hold_the_blocked_partition() -> None:
    before = after(seen(BLOCKED))
    assert after(seen(WELL, STARTING, desired=1), before)["blockedKeys"] == {"count": 2}


def test_keys_stay_blocked_while_no_pod_runs() -> None:
    before = after(seen(BLOCKED))
    found = after(seen(suspended=True), before)
    assert reason(found, "KeysBlocked") == ("True", "KeysBlocked")
    assert found["blockedKeys"] == {"count": 2}
    assert reason(after(seen(), after(seen(EXPIRING))), "Warning") == ("True", "RetentionNear")


@pytest.mark.parametrize(("said", "kind"), [(BREAKER, "FailureRateHigh"), (NO_LETTERS, "DeadLetterUnavailable")])
def test_what_a_process_suffers_ends_with_it(said: Report, kind: str) -> None:
    assert condition(after(seen(suspended=True), after(seen(said))), kind) == {}


def test_a_standby_pod_can_tell() -> None:
    standby = Report(True, "Consuming", "standing by")
    assert "blockedKeys" not in after(seen(WELL, standby), after(seen(BLOCKED, standby)))


def test_a_change_of_the_count_is_written() -> None:
    before = after(seen(BLOCKED))
    assert same(after(seen(BLOCKED), before), before)
    assert not same({**before, "blockedKeys": {"count": 3}}, before)
    assert not same(after(seen(WELL), before), before)


STOP = StopPoint("machine-data", 3, 1234, 1715764260123, "ValueError")


def test_a_stop_is_named() -> None:
    stopped = Report(False, pod_status.STOPPED_ON_FAILURE, "told", HELD)
    found = after(seen(stopped, stopped, stop=STOP))
    assert reason(found, "Ready") == ("False", "StoppedOnFailure")
    for words in ("offset 1234 of partition 3 of machine-data", "(ValueError)", "kafkatrigger resume rul"):
        assert words in condition(found, "Ready")["message"]


def test_a_stop_counts_before_the_pods_obey() -> None:
    assert reason(after(seen(WELL, stop=STOP)), "Ready") == ("False", "StoppedOnFailure")


def test_a_suspended_trigger_is_suspended() -> None:
    assert reason(after(seen(suspended=True, stop=STOP)), "Ready") == ("False", "Suspended")


@pytest.mark.parametrize(
    "why", [pod_status.RUNTIME_BROKEN, pod_status.STALLED, pod_status.RUNTIME_TOO_OLD, pod_status.PARTITION_STOPPED]
)
def test_other_reasons_of_pods_become_the_triggers(why: str) -> None:
    found = after(seen(Report(False, why, "what the pod says", HELD)))
    assert reason(found, "Ready") == ("False", why)
    assert condition(found, "Ready")["message"].endswith("p0: what the pod says")
