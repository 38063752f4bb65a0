"""What people decide about failed messages, with the commands that the documentation names."""

import json
from typing import Any

import orjson

from tests.support.commands import kafkatrigger
from tests.support.triggers import Namespace, Trigger
from tests.support.waiting import until

QUICK = {"timeout": "5s", "retry": {"attempts": 2, "initialDelay": "100ms"}}
BAD = orjson.dumps({"do": "raise"})


def decide(trigger: Trigger, *words: str) -> Any:
    """The command, for this trigger; what it says."""
    return json.loads(kafkatrigger(trigger.namespace.name, *words, trigger.name, "--output=json"))


def echo(number: int) -> bytes:
    return orjson.dumps({"do": "echo", "n": number})


def test_a_blocked_key_waits_for_a_decision_and_others_go_on(namespace: Namespace) -> None:
    trigger = namespace.unapplied(
        "functions:tell", delivery={**QUICK, "onFailure": "Block", "guarantee": "ExactlyOnce"}
    )
    namespace.topic("rul.source")
    trigger.apply().wait_ready()
    namespace.topics.produce(trigger.source, [(b"bad", BAD), (b"bad", echo(0)), (b"good", echo(1)), (b"bad", echo(2))])
    until(lambda: [each.number for each in trigger.answered_now()] == [1], 60, "the answer of the other key")
    message = trigger.wait("KeysBlocked", "True", "KeysBlocked", "blocked list", seconds=150)
    assert "bad" not in message, "keys are personal data"
    assert trigger.conditions()["Ready"]["status"] == "True"
    assert trigger.body()["status"]["blockedKeys"]["count"] == 1
    (blocked,) = decide(trigger, "blocked", "list")
    assert blocked["reason"] == "FunctionFailed"
    decide(trigger, "blocked", "skip", "--yes")
    assert [each.number for each in sorted(trigger.answered(3), key=lambda each: each.number)] == [0, 1, 2]
    trigger.wait_committed(4)
    until(lambda: "KeysBlocked" not in trigger.conditions(), 150, "the end of the condition")


def test_a_stop_reaches_all_pods_and_ends_when_somebody_resumes(namespace: Namespace) -> None:
    trigger = namespace.unapplied("functions:tell", delivery={**QUICK, "onFailure": "Stop"}, scaling={"replicas": 2})
    namespace.topic("rul.source", 4)
    trigger.apply().wait_ready()
    trigger.wait_shared(4, 2)
    namespace.topics.produce(trigger.source, [(b"bad", BAD)])
    trigger.wait("Ready", "False", "StoppedOnFailure", trigger.source, "ValueError", "resume")
    pods = trigger.pod_names()
    stopped = {"StoppedOnFailure"}
    until(lambda: {trigger.pod_status(pod)["reason"] for pod in pods} == stopped, 60, "both pods stopped")
    namespace.topics.produce(trigger.source, [(b"k%d" % n, echo(n)) for n in range(40)])
    decide(trigger, "resume")
    # The message that stopped it runs first, and it stops again.
    trigger.wait("Ready", "False", "StoppedOnFailure")
    trigger.apply(delivery={**QUICK, "deadLetter": {"topic": trigger.dead_letters}})
    assert len(trigger.answered(40)) >= 40
    assert [letter.key() for letter in trigger.letters(1)] == [b"bad"]
    trigger.wait_ready()


def test_dead_letters_run_again_once_the_function_is_mended(namespace: Namespace) -> None:
    trigger = namespace.unapplied("functions:tell", delivery={**QUICK, "guarantee": "ExactlyOnce"})
    namespace.topic("rul.source")
    trigger.apply().wait_ready()
    bad = [(b"bad%d" % number, orjson.dumps({"do": "raise", "n": number})) for number in range(5)]
    namespace.topics.produce(trigger.source, bad)
    assert len(trigger.letters(5)) == 5
    trigger.patch(transformation={"function": "functions:stamp"})
    trigger.wait_ready()
    until(lambda: len(trigger.all_pods()) == 1, what="the end of the old pod")
    listed = decide(trigger, "dlq", "list")
    assert len(listed) == 5
    decide(trigger, "dlq", "redrive", "--yes")
    assert sorted(answer.number for answer in trigger.answered(5)) == list(range(5))
    decide(trigger, "dlq", "redrive", "--yes")
    namespace.topics.produce(trigger.source, [(b"good", echo(5))])
    assert sorted(answer.number for answer in trigger.answered(6)) == list(range(6)), "a letter runs again once"
