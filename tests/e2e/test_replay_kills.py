"""An operator that is killed at every step of replays: each nonce is applied once.

The proof is in the responses: a message is answered once, and once more for each replay that starts at its offset or
before. Every replay starts elsewhere, so the counts say which ones were applied, and how often.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable

import orjson
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from kafkatrigger.api import commit_metadata
from tests.e2e.conftest import Private
from tests.support.killer import Killer
from tests.support.kubernetes import DEPLOYMENTS, Body
from tests.support.triggers import Trigger
from tests.support.waiting import until

END = 150
"""Messages of each of the two partitions."""
KILLS = 22
"""At least."""
LONGEST = 1.5
"""Seconds that an operator which is killed at a random moment is at work, at most."""
PATIENCE = 90.0


class Replay:
    """One that is asked for, and what has become of it. Each question asks for no more than it needs, to be quick."""

    def __init__(self, trigger: Trigger, admin: AdminClient, number: int) -> None:
        self._trigger, self._admin = trigger, admin
        self._deployment = f"{DEPLOYMENTS.format(trigger.namespace.name)}/{trigger.name}-consumer"
        self.nonce = f"n{number}"
        self.starts = [10 * number + 10, 140 - 10 * number]

    def ask(self) -> None:
        wish = {str(partition): start for partition, start in enumerate(self.starts)}
        self._trigger.patch(replay={"nonce": self.nonce, "partitions": {self._trigger.source: wish}})

    def is_checked(self) -> bool:
        return self.is_begun() or any(each["type"] == "Replaying" for each in self._status()["conditions"])

    def is_begun(self) -> bool:
        return bool(self._told())

    def has_stopped_pods(self) -> bool:
        return not self._wanted() or self.is_handled()

    def sees_pods_leave(self) -> bool:
        return any("deletionTimestamp" in pod["metadata"] for pod in self._trigger.all_pods()) or self.is_handled()

    def sees_no_pods(self) -> bool:
        return not self._trigger.all_pods() or self.is_handled()

    def sees_an_empty_group(self) -> bool:
        return not self._members() or self.is_handled()

    def has_targets(self) -> bool:
        return "partitions" in self._told()

    def has_moved(self) -> bool:
        return any(reason == f"Replay:{self.nonce}" for _, reason in self._offsets()) or self.is_handled()

    def is_handled(self) -> bool:
        return self._told().get("handledNonce") == self.nonce

    def has_started_pods(self) -> bool:
        return self.is_handled() and self._wanted() > 0

    def sees_pods_come(self) -> bool:
        return self.is_handled() and bool(self._trigger.all_pods())

    def sees_members(self) -> bool:
        return self.is_handled() and self._members() > 0

    def has_run(self) -> bool:
        return self.is_handled() and all(offset >= END for offset, _ in self._offsets())

    def is_done(self) -> bool:
        return self._told().get("phase") == "Done"

    def __str__(self) -> str:
        """As the operator knows it."""
        told = self._told()
        return f"{self.nonce} is {told.get('phase', 'not begun')}, handled is {told.get('handledNonce', 'none')}"

    def _status(self) -> Body:
        found: Body = self._trigger.body()["status"]
        return found

    def _told(self) -> Body:
        """Nothing before it is begun."""
        found: Body = self._status().get("replay", {})
        return found if found.get("nonce") == self.nonce else {}

    def _wanted(self) -> int:
        replicas: int = self._trigger.namespace.api.call("GET", self._deployment)["spec"]["replicas"]
        return replicas

    def _members(self) -> int:
        group = self._trigger.group
        return len(self._admin.describe_consumer_groups([group])[group].result().members)

    def _offsets(self) -> list[tuple[int, str]]:
        """Of each partition what is committed, and why it is there."""
        group = self._trigger.group
        answers = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        found = answers[group].result().topic_partitions
        known = [(each.offset, commit_metadata.load(each.metadata)) for each in found]
        return [(offset, said.reason if said else "") for offset, said in known]


Step = Callable[[Replay], bool]
"""Whether it was taken, or a later one."""

STEPS: tuple[tuple[Step, ...], ...] = (
    (Replay.is_begun, Replay.has_targets, Replay.is_done),
    (Replay.is_checked, Replay.has_moved, Replay.has_run),
    (Replay.has_stopped_pods, Replay.is_handled, Replay.sees_members),
    (Replay.sees_pods_leave, Replay.has_started_pods),
    (Replay.sees_no_pods, Replay.sees_pods_come),
    (Replay.sees_an_empty_group,),
)
"""Of one replay after the other those that the operator is killed at: so few of each that one is at work again by then."""


class Story:
    """Replays, one after the other, and operators that are killed meanwhile."""

    def __init__(self, trigger: Trigger, killer: Killer) -> None:
        self._trigger, self._killer = trigger, killer
        self._admin, self._dice = AdminClient({"bootstrap.servers": trigger.namespace.bootstrap}), random.Random(11)
        self.replays: list[Replay] = []
        self.kills: list[str] = []

    def kill_at(self, steps: tuple[Step, ...]) -> None:
        """One replay; the operator dies as soon as each of the steps is seen."""
        replay = self._begin()
        for step in steps:
            self._wait(lambda taken=step: taken(replay), step.__name__)  # type: ignore[misc]
            self._kill(step.__name__)
        self._wait(replay.is_done, "the end")

    def kill_at_random(self) -> None:
        """One replay; operators that are at work die until it is done."""
        replay = self._begin()
        while not replay.is_done():
            self._wait(self._killer.is_at_work, "an operator")
            time.sleep(self._dice.uniform(0, LONGEST))
            self._kill("a random moment")

    def _begin(self) -> Replay:
        self._wait(self._killer.is_at_work, "an operator")
        replay = Replay(self._trigger, self._admin, len(self.replays))
        self.replays.append(replay)
        replay.ask()
        return replay

    def _kill(self, when: str) -> None:
        self._wait(self._killer.kill, "an operator")
        self.kills.append(f"{when}: {self.replays[-1]}")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        """Without a pause, because some of what is waited for lasts milliseconds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, (
                f"{what} was not seen in {PATIENCE:.0f} s: {self.replays[-1]}; kills so far: {self.kills}"
            )

    def check(self) -> None:
        """Each message ran once, and once more for each replay that starts at it or before."""
        expected = Counter({partition * END + at: 1 for partition in range(2) for at in range(END)})
        for replay in self.replays:
            for partition, start in enumerate(replay.starts):
                expected.update(partition * END + at for at in range(start, END))
        until(lambda: len(self._trigger.answered_now()) >= expected.total(), 60, f"{expected.total()} answers")
        found = Counter(answer.number for answer in self._trigger.answered_now())
        wrong = [
            f"partition {number // END}, offset {number % END}: {found[number]} answers instead of {expected[number]}"
            for number in sorted(found.keys() | expected.keys())
            if found[number] != expected[number]
        ]
        asked = {replay.nonce: replay.starts for replay in self.replays}
        assert not wrong, f"{wrong[:10]} ({len(wrong)} in all); where each replay starts: {asked}; kills: {self.kills}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may kill the operator's process from outside its pod")
def test_each_nonce_is_applied_once(private: Private) -> None:
    trigger = private.namespace.trigger(partitions=2, delivery={"guarantee": "ExactlyOnce"}).wait_ready()
    for partition in range(2):
        pairs = [(b"k%d" % (at % 5), orjson.dumps({"n": partition * END + at})) for at in range(END)]
        private.namespace.topics.produce(trigger.source, pairs, partition=partition)
    trigger.answered(2 * END)
    story = Story(trigger, Killer(private.release))
    for steps in STEPS:
        story.kill_at(steps)
    while len(story.kills) < KILLS:
        story.kill_at_random()
    print(*story.kills, sep="\n")
    story.check()
