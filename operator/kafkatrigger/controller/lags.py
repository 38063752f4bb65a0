"""How much waits for a trigger none of whose pods can say: whom the brokers are asked about, how often, and what of the
answers is news. Pure.

While messages come every answer is another, and each would be a write of the status. So what was said stands for some
minutes, unless messages begin to wait or none waits any more: that decides about Ready.
"""

import random
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from kafkatrigger.api.configure import start_policy
from kafkatrigger.api.validation import Accepted
from kafkatrigger.controller.cache import Key
from kafkatrigger.controller.observation import Workload
from kafkatrigger.controller.reports import Report
from kafkatrigger.kafka.brokers import group_of
from kafkatrigger.kafka.group_lag import Lag, Subject

PAUSE = 60.0
"""Seconds between two questions about a trigger; more where there are so many triggers that RATE forbids it."""
UNKNOWN_PAUSE = 10.0
"""Where brokers did not say: a topic that was made a moment ago has no leader yet."""
RATE = 20.0
"""Most questions a second."""
STEADY = 300.0
"""Seconds in which a number is told once; more where there are so many triggers that WRITE_RATE forbids it."""
WRITE_RATE = 10.0
"""Most writes a second while numbers change."""


class Question(NamedTuple):
    """The trigger whose checkpoint counts, and the group."""

    key: Key
    subject: Subject


def question(key: Key, accepted: Accepted) -> Question:
    """What is asked of the brokers of a trigger."""
    config, policy = accepted.config, start_policy(accepted.spec)
    text = msgspec.json.encode(policy, order="sorted").decode()
    return Question(
        key, Subject(group_of(config), tuple(config.topics), config.topic_pattern, config.redrive_topic, text)
    )


def are_silent(workload: Workload | None, answers: Mapping[str, Report | None]) -> bool:
    """Whether no pod that is to stay says anything, nor is about to: there is none, or each was asked in vain or cannot be."""
    pods = workload.staying if workload else []
    return all(answers.get(pod.uid) is None and (pod.uid in answers or not pod.answers) for pod in pods)


def judge(before: Lag | None, found: Lag, triggers: int) -> tuple[Lag, float]:
    """What to believe of one of so many triggers, and seconds until its brokers are asked again."""
    pause = UNKNOWN_PAUSE if found.messages is None else PAUSE
    paced = max(pause, triggers / RATE) * random.uniform(0.8, 1.2)  # noqa: S311 - so that questions do not bunch
    return (before if before and _stands(before, found, triggers) else found), paced


def _stands(before: Lag, found: Lag, triggers: int) -> bool:
    """Whether the answer before is still told: also where brokers say nothing now."""
    if before.messages is None or found.messages is None:
        return before.messages is not None
    is_same = bool(before.messages) == bool(found.messages)
    is_fresh = found.asked - before.asked < max(STEADY, triggers / WRITE_RATE)
    return before.messages == found.messages or (is_same and is_fresh)
