"""Conditions from observations."""

from typing import Any

import pytest

from kafkatrigger.api.pod_status import GROUP_SHARED, JOINING_GROUP, TRANSFORMATION_NOT_LOADED
from kafkatrigger.controller.conditions import Verdict, no
from kafkatrigger.controller.observation import Observation, Remembered
from kafkatrigger.controller.reports import Held, Report
from kafkatrigger.controller.status import same, status
from kafkatrigger.kafka.brokers import Finding
from kafkatrigger.kafka.group_lag import Lag
from tests.unit.controller.helpers import container
from tests.unit.controller.helpers import make_observation as seen
from tests.unit.controller.helpers import make_pod as pod
from tests.unit.controller.helpers import make_workload as workload

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


def judged(observation: Observation, previous: dict[str, Any] | None = None) -> dict[str, tuple[str, str]]:
    conditions = status(observation, previous or {}, NOW)["conditions"]
    return {each["type"]: (each["status"], each["reason"]) for each in conditions}


def message(observation: Observation, kind: str) -> str:
    conditions = status(observation, {}, NOW)["conditions"]
    text: str = next(each for each in conditions if each["type"] == kind)["message"]
    return text


def test_all_is_well() -> None:
    assert judged(seen(pod())) == {
        "Ready": ("True", "Consuming"),
        "Accepted": ("True", "Accepted"),
        "Connected": ("True", "Connected"),
        "Deployed": ("True", "Deployed"),
        "Consuming": ("True", "Consuming"),
    }


CONNECTED = [
    (seen(pod(), finding=None), "Unknown", "Checking", "asking kafka:9092"),
    (
        seen(pod(), finding=Finding(unreachable="refused")),
        "False",
        "BrokersUnreachable",
        "no broker of kafka:9092 answers (refused)",
    ),
    (
        seen(pod(), finding=Finding(missing=("a", "b"))),
        "False",
        "TopicNotFound",
        "a, b. Create it, or correct spec.source.topics",
    ),
    (
        seen(pod(), finding=Finding(refused=(("a", "no right"),))),
        "False",
        "TopicRefused",
        "refuses to describe the topic a: no right",
    ),
    (seen(pod()), "True", "Connected", "kafka:9092 answers and the source topics exist"),
    (seen(pod(), topic_pattern="t+"), "True", "Connected", "kafka:9092 answers and no topic matches t+ yet"),
    (
        seen(pod(), topic_pattern="t+", finding=Finding(matching=1)),
        "True",
        "Connected",
        "kafka:9092 answers and 1 topic matches t+",
    ),
    (
        seen(pod(), topic_pattern="t+", finding=Finding(matching=3)),
        "True",
        "Connected",
        "kafka:9092 answers and 3 topics match t+",
    ),
    (seen(pod(), servers=(), finding=None), "Unknown", "NotAccepted", "when the trigger is accepted"),
]

PULL = pod("p1", container("runtime", waiting="ImagePullBackOff", message="not found"), ready=False, running=False)
CREATE = pod(
    "p1", container(waiting="CreateContainerConfigError", message='secret "s" not found'), ready=False, running=False
)
CRASH = pod("p1", container(waiting="CrashLoopBackOff", ended="Error, exit code 1: bad"), ready=False, running=False)
NOWHERE = pod(containers=(), ready=False, running=False, unschedulable="0/1 nodes are available")

DEPLOYED = [
    (seen(workload=None), "False", "Progressing", "being made"),
    (seen(workload=None, accepted=no("InvalidSpec", "x")), "False", "NotAccepted", "until the trigger is accepted"),
    (seen(pod(), problem=no("ApplyFailed", "forbidden")), "False", "ApplyFailed", "forbidden"),
    (seen(workload=workload(pod(), observed=1)), "False", "Progressing", "has not looked"),
    (
        seen(workload=workload(failure="exceeded quota: q")),
        "False",
        "QuotaExceeded",
        "exceeded quota: q. Raise the namespace's quota",
    ),
    (seen(workload=workload(failure="violates PodSecurity")), "False", "PodsRefused", "violates PodSecurity"),
    (
        seen(PULL),
        "False",
        "ImagePullFailed",
        "image example.com/runtime:1 of container runtime of p1 cannot be pulled: not found",
    ),
    (seen(CREATE), "False", "CreateContainerError", 'secret "s" not found'),
    (seen(CRASH), "False", "CrashLooping", "ended 4 times (Error, exit code 1: bad)"),
    (seen(NOWHERE), "False", "Unschedulable", "0/1 nodes are available"),
    (seen(pod(template="old")), "False", "Progressing", "0 of 1 pod of the newest template run"),
    (seen(pod(), pod("p2", running=False), desired=2), "False", "Progressing", "1 of 2 pods"),
    (
        seen(pod(running=False), secrets=("plant-db",)),
        "False",
        "Progressing",
        "they start when the Secret plant-db of spec.transformation.adapters can be mounted",
    ),
    (seen(pod(running=False), secrets=("a", "b")), "False", "Progressing", "the Secrets a, b of spec"),
    (seen(pod(), pod("p2", template="old", deleting=True)), "True", "Deployed", "1 pod runs"),
    (seen(workload=workload(), desired=0), "True", "ScaledToZero", "as wanted"),
    (seen(workload=workload(), desired=0, suspended=True), "True", "Suspended", "as wanted"),
    (seen(workload=workload(pod(deleting=True)), desired=0), "False", "Stopping", "1 pod still to drain"),
]

CONSUMING = [
    (seen(workload=None), "Unknown", "WaitingForPods", "no pods yet"),
    (seen(workload=workload(), desired=0), "False", "ScaledToZero", "raise scaling.replicas"),
    (seen(workload=workload(), desired=0, suspended=True), "False", "Suspended", "spec.suspend is true"),
    (
        seen(workload=workload(), desired=0, accepted=no("GroupInUse", "x")),
        "False",
        "NotAccepted",
        "see the condition Accepted",
    ),
    (seen(), "False", "WaitingForPods", "0 of 1 pod ready; the others do not exist yet"),
    (seen(pod(ready=False)), "False", "PodsNotReady", "0 of 1 pod ready; waiting for p1"),
    (seen(pod(), pod("p2", ready=False), desired=2), "False", "PodsNotReady", "1 of 2 pods ready; waiting for p2"),
    (seen(pod(template="old")), "False", "WaitingForPods", "0 of 1 pod ready"),
    (seen(pod(deleting=True)), "False", "WaitingForPods", "0 of 1 pod ready"),
    (seen(pod(ready=False), answers={"uid-p1": None}), "False", "PodsNotReady", "waiting for p1"),
]


@pytest.mark.parametrize(("observation", "value", "reason", "text"), CONNECTED)
def test_connected(observation: Observation, value: str, reason: str, text: str) -> None:
    assert judged(observation)["Connected"] == (value, reason)
    assert text in message(observation, "Connected")


@pytest.mark.parametrize(("observation", "value", "reason", "text"), DEPLOYED)
def test_deployed(observation: Observation, value: str, reason: str, text: str) -> None:
    assert judged(observation)["Deployed"] == (value, reason)
    assert text in message(observation, "Deployed")


@pytest.mark.parametrize(("observation", "value", "reason", "text"), CONSUMING)
def test_consuming(observation: Observation, value: str, reason: str, text: str) -> None:
    assert judged(observation)["Consuming"] == (value, reason)
    assert text in message(observation, "Consuming")


def answer(reason: str, *, ready: bool = False) -> Report:
    return Report(ready, reason, "what the pod says")


def test_the_pods_own_reason_wins() -> None:
    observation = seen(pod(ready=False), answers={"uid-p1": answer(TRANSFORMATION_NOT_LOADED)})
    assert judged(observation)["Consuming"] == ("False", TRANSFORMATION_NOT_LOADED)
    assert message(observation, "Consuming") == "0 of 1 pod ready; p1: what the pod says"


def test_a_group_that_is_shared_is_the_spec_s_trouble() -> None:
    """As the pods say; a spec that is not valid is told of first."""
    told = {"uid-p1": answer(GROUP_SHARED)}
    observation = seen(pod(ready=False), answers=told)
    assert judged(observation)["Accepted"] == judged(observation)["Ready"] == ("False", GROUP_SHARED)
    assert message(observation, "Accepted") == "what the pod says"
    refused = seen(pod(ready=False), answers=told, accepted=no("InvalidSpec", "x"))
    assert judged(refused)["Accepted"] == ("False", "InvalidSpec")


@pytest.mark.parametrize("told", [answer("not a reason"), answer(JOINING_GROUP, ready=True), answer("Consuming")])
def test_an_answer_of_no_use_is_not_shown(told: Report) -> None:
    assert judged(seen(pod(ready=False), answers={"uid-p1": told}))["Consuming"] == ("False", "PodsNotReady")


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (seen(pod(ready=False), accepted=no("GroupInUse", "x")), ("False", "GroupInUse")),
        (seen(pod(ready=False), finding=Finding(missing=("a",))), ("False", "TopicNotFound")),
        (seen(PULL), ("False", "ImagePullFailed")),
        (seen(pod(ready=False)), ("False", "PodsNotReady")),
        (seen(pod(), finding=None), ("Unknown", "Checking")),
        (seen(workload=workload(), desired=0, suspended=True), ("False", "Suspended")),
    ],
)
def test_ready_is_the_first_that_does_not_hold(observation: Observation, expected: tuple[str, str]) -> None:
    assert judged(observation)["Ready"] == expected


def test_suspended_is_there_only_while_it_is() -> None:
    assert judged(seen(workload=workload(), desired=0, suspended=True))["Suspended"] == ("True", "Suspended")
    assert "Suspended" not in judged(seen(pod()))


def test_a_pod_that_was_not_asked_yet_keeps_what_it_said() -> None:
    """After a restart of the operator nothing is known for a moment, and nothing shall flap."""
    before = status(seen(pod(ready=False), answers={"uid-p1": answer(TRANSFORMATION_NOT_LOADED)}), {}, NOW)
    assert status(seen(pod(ready=False)), before, LATER) == before
    told_nothing = status(seen(pod(ready=False), answers={"uid-p1": None}), before, LATER)
    assert told_nothing != before


def test_brokers_that_were_not_asked_yet_keep_their_condition() -> None:
    for finding in (Finding(), Finding(unreachable="refused")):
        before = status(seen(pod(), finding=finding), {}, NOW)
        assert status(seen(pod(), finding=None), before, LATER) == before
    assert judged(seen(pod(), finding=None, generation=4), before)["Connected"] == ("Unknown", "Checking")


def test_times_change_with_the_status_alone() -> None:
    first = status(seen(pod(ready=False)), {}, NOW)
    second = status(seen(pod(ready=False), answers={"uid-p1": answer(TRANSFORMATION_NOT_LOADED)}), first, LATER)
    third = status(seen(pod()), second, LATER)

    def time(of: dict[str, Any]) -> str:
        text: str = next(each for each in of["conditions"] if each["type"] == "Consuming")["lastTransitionTime"]
        return text

    assert (time(first), time(second), time(third)) == (NOW, NOW, LATER)


def test_the_other_fields() -> None:
    topics = ("a", "b", "c", "d", "e")
    result = status(seen(pod(), topics=topics), {}, NOW)
    assert result["topicsText"] == "a, b, c and 2 more"
    assert result["replicas"] == 1
    assert result["observedGeneration"] == 3
    assert {each["observedGeneration"] for each in result["conditions"]} == {3}


def test_what_others_wrote_is_not_compared() -> None:
    mine = status(seen(pod()), {}, NOW)
    theirs = {"type": "Theirs", "status": "True"}
    assert same(mine, {**mine, "theirs": 5, "conditions": [theirs, *reversed(mine["conditions"])]})
    assert not same(mine, {**mine, "replicas": 7})
    suspended = status(seen(workload=workload(), suspended=True, desired=0), {}, NOW)
    assert not same(mine, {**mine, "conditions": [*mine["conditions"], suspended["conditions"][-1]]})


def test_long_messages_are_cut() -> None:
    observation = seen(pod(), accepted=Verdict("False", "InvalidSpec", "x" * 5000))
    assert len(message(observation, "Accepted")) == 1024


def told(lag: int | None, **changes: Any) -> Observation:
    report = Report(True, "Consuming", "", frozenset({Held("machine-data", 0, 5, lag=lag)}))
    return seen(pod(), answers={"uid-p1": report}, **changes)


def test_timestamps_and_lag_are_written_with_a_checkpoint() -> None:
    first = status(told(3), {}, NOW)
    assert (first["lag"], first.get("partitionTimestamps")) == (3, None)
    assert same(status(told(9), first, NOW), first)
    taken = Remembered({"machine-data": {"0": 5}}, 9)
    second = status(told(10, remembered=taken), first, NOW)
    assert (second["lag"], second["partitionTimestamps"]) == (9, {"machine-data": {"0": 5}})
    assert not same(second, first)
    assert same(status(told(11), second, NOW), second)


def test_lag_is_written_when_ready_changes() -> None:
    before = status(told(3), {}, NOW)
    found = status(told(8, accepted=no("GroupInUse", "m")), before, NOW)
    assert found["lag"] == 8
    assert status(told(None, accepted=no("GroupInUse", "m")), before, NOW)["lag"] == 3


@pytest.mark.parametrize("timestamps", [{}, {"machine-data": {}}])
def test_timestamps_that_are_gone_are_left_out(timestamps: dict[str, dict[str, int]]) -> None:
    """The API server refuses an apply that empties a map, and a replay would wait for ever."""
    before = status(told(3, remembered=Remembered({"machine-data": {"0": 5}}, 9)), {}, NOW)
    after = status(told(3, remembered=Remembered(timestamps, 9)), before, NOW)
    assert "partitionTimestamps" not in after
    assert not same(after, before)


def test_lag_is_written_as_soon_as_it_is_known() -> None:
    """A pod that has just become ready has said nothing yet."""
    first = status(told(None), {}, NOW)
    assert "lag" not in first
    second = status(told(7), first, NOW)
    assert second["lag"] == 7
    assert status(told(6), second, NOW)["lag"] == 7


def at_rest(lag: Lag | None, **changes: Any) -> Observation:
    return seen(workload=workload(), desired=0, lag=lag, **changes)


def ready(observation: Observation, previous: dict[str, Any] | None = None) -> tuple[str, str, str]:
    conditions = status(observation, previous or {}, NOW)["conditions"]
    said = next(each for each in conditions if each["type"] == "Ready")
    return said["status"], said["reason"], said["message"]


def test_scaled_to_zero_is_well_while_nothing_waits() -> None:
    assert ready(at_rest(Lag(0)))[:2] == ("True", "ScaledToZero")
    assert judged(at_rest(Lag(0)))["Consuming"] == ("False", "ScaledToZero")
    value, reason, text = ready(at_rest(Lag(7)))
    assert (value, reason) == ("False", "ScaledToZero")
    assert "messages wait: raise scaling.replicas" in text
    assert ready(at_rest(Lag(8)))[2] == text


def test_what_waits_is_unknown_until_brokers_say() -> None:
    assert ready(at_rest(None))[:2] == ("Unknown", "ScaledToZero")
    assert "no right" in ready(at_rest(Lag(None, "no right")))[2]
    before = status(at_rest(Lag(0)), {}, NOW)
    assert ready(at_rest(None), before)[0] == "True"
    assert ready(at_rest(None, generation=4), before)[0] == "Unknown"
    consuming = status(told(3), {}, NOW)
    assert ready(at_rest(None), consuming)[0] == "Unknown"


def test_pods_that_stay_as_they_are_have_whatever_topics() -> None:
    awaited = no("BrokersAwaited", "x")
    now = seen(pod(), awaited=awaited, topics=("new",), finding=Finding(missing=("new",)))
    found = {each["type"]: each for each in status(now, {}, NOW)["conditions"]}
    assert [found[kind]["reason"] for kind in ("Ready", "Deployed", "Consuming")] == [
        "TopicNotFound", "BrokersAwaited", "Consuming",
    ]  # fmt: skip
    assert "new" not in found["Consuming"]["message"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"suspended": True}, "Suspended"),
        ({"accepted": no("GroupInUse", "x")}, "GroupInUse"),
        ({"finding": Finding(unreachable="refused")}, "BrokersUnreachable"),
        ({"held": no("GroupChanging", "x")}, "GroupChanging"),
    ],
)
def test_nothing_that_waits_is_no_excuse(changes: dict[str, Any], reason: str) -> None:
    assert ready(at_rest(Lag(0), **changes))[:2] == ("False", reason)


def test_lag_of_brokers_is_written_where_no_pod_says_it() -> None:
    before = status(told(3), {}, NOW)
    first = status(at_rest(Lag(8)), before, NOW)
    assert first["lag"] == 8
    second = status(at_rest(Lag(9)), first, NOW)
    assert second["lag"] == 9
    assert status(at_rest(Lag(None, "no right")), second, NOW)["lag"] == 9
    assert status(at_rest(Lag(9), remembered=Remembered({}, 5)), second, NOW)["lag"] == 9


def test_what_brokers_said_before_there_were_pods_does_not_stand_beside_them() -> None:
    before = status(at_rest(Lag(8)), {}, NOW)
    assert before["lag"] == 8
    assert "lag" not in status(told(None), before, NOW)
    assert status(told(2), before, NOW)["lag"] == 2


def test_without_pods_the_last_lag_stands() -> None:
    before = status(told(3), {}, NOW)
    assert status(seen(desired=0), before, NOW)["lag"] == 3
    assert status(seen(remembered=Remembered({}, None)), before, NOW)["lag"] == 3
