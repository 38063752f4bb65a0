"""A replay: what runs again, and what the trigger says meanwhile."""

import time
from collections import Counter

import orjson

from tests.support.triggers import Namespace, Trigger
from tests.support.waiting import until

PARTITIONS = 2
EACH = 100
"""Messages of each partition, half of them before the time that one replay starts at."""


def produce(trigger: Trigger, offsets: range) -> None:
    """Messages that say in both partitions where they are."""
    for partition in range(PARTITIONS):
        pairs = [(b"k%d" % (at % 5), orjson.dumps({"n": partition * EACH + at})) for at in offsets]
        trigger.namespace.topics.produce(trigger.source, pairs, partition=partition)


def runs(trigger: Trigger, count: int) -> Counter[int]:
    """How often each message was answered, once there are so many answers."""
    until(lambda: len(trigger.answered_now()) >= count, 60, f"{count} answers")
    return Counter(answer.number for answer in trigger.answered_now())


def test_it_runs_once_for_each_nonce(namespace: Namespace) -> None:
    trigger = namespace.trigger(partitions=PARTITIONS, delivery={"guarantee": "ExactlyOnce"}).wait_ready()
    produce(trigger, range(EACH // 2))
    time.sleep(0.01)
    middle = time.time_ns() // 1_000_000
    produce(trigger, range(EACH // 2, EACH))
    expected = Counter(dict.fromkeys(range(PARTITIONS * EACH), 1))
    assert runs(trigger, expected.total()) == expected

    trigger.apply(replay={"nonce": "by-time", "from": middle})
    expected.update(partition * EACH + at for partition in range(PARTITIONS) for at in range(EACH // 2, EACH))
    trigger.wait("Replaying", "True", "CatchingUp", "by-time")  # what comes before is over in less than a second
    wait_done(trigger, "by-time")
    assert runs(trigger, expected.total()) == expected

    trigger.apply(replay={"nonce": "by-offset", "partitions": {trigger.source: {"1": 70}}})
    expected.update(EACH + at for at in range(70, EACH))
    status = wait_done(trigger, "by-offset")
    assert status["partitions"][trigger.source].keys() == {"1"}
    assert status["partitions"][trigger.source]["1"]["from"] == 70
    assert runs(trigger, expected.total()) == expected

    pods = trigger.pod_names()
    trigger.apply(scaling={"replicas": 2})  # the manifest still has its replay
    trigger.wait_ready()
    trigger.wait_shared(PARTITIONS, pods=2)
    assert pods < trigger.pod_names(), "nobody was stopped for it"
    assert runs(trigger, expected.total()) == expected


def wait_done(trigger: Trigger, nonce: str) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
    """What the status says of the replay at its end, when the trigger consumes as before."""

    def status() -> dict[str, dict[str, dict[str, dict[str, int]]]] | None:
        found = trigger.body()["status"]["replay"]
        return found if (found["handledNonce"], found["phase"]) == (nonce, "Done") else None

    done = until(status, 90, f"the end of the replay {nonce}")
    trigger.wait_ready()
    until(lambda: "Replaying" not in trigger.conditions(), 30, "the end of the condition Replaying")
    return done
