"""What the coordinator says of the group, asked without waiting: whether it counts this member in, and who else is there."""

import math
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future

import msgspec

from kafkatrigger.api.consumer_config import TRIGGER_UID
from kafkatrigger.kafka import group_members
from kafkatrigger.kafka.group_members import Group

ASK_INTERVAL = 3.0
"""Seconds between a change and the question what it made of the group, and between questions while something is wrong."""


def client_id(namespace: str, name: str) -> str:
    """The same for all pods of a trigger, and for nobody else: a trigger of the same name in another cluster has another uid."""
    return ".".join(filter(None, ["kafkatrigger", namespace, name, os.environ.get(TRIGGER_UID, "")[:8]]))


class Membership:
    """Members that are not of the trigger get messages that its function never sees.

    Whoever joins and is given partitions takes them from others. So nothing is asked while the own assignment stays as it is.
    """

    def __init__(self, inquire: Callable[[], "Future[Group]"], client_id: str) -> None:
        self._inquire, self._client_id = inquire, client_id
        self._answer: Future[Group] | None = None
        self._ask_at = time.monotonic() + ASK_INTERVAL  # most are given an assignment before that
        self._changes = 0
        self.is_in = False
        """Whether the member was in the group, and the group at rest, as of the last answer."""
        self.strangers = ""
        """Who in the group is not of the trigger, as of the last answer."""

    def look(self, member_id: str, changes: int) -> None:
        """Takes an answer, and asks when it is time; `changes` counts those of the member's assignment."""
        now = time.monotonic()
        if changes != self._changes:
            self._changes, self.is_in = changes, False
            self._ask_at = min(self._ask_at, now + ASK_INTERVAL)
        if self._answer is not None and self._answer.done():
            self._take(self._answer, member_id)
            self._answer = None
            again = math.inf if self.is_in and not self.strangers else now + ASK_INTERVAL
            self._ask_at = min(self._ask_at, again)  # of a change that came after the question another one is due
        elif self._answer is None and now >= self._ask_at:
            self._ask_at = math.inf
            self._answer = self._inquire()

    def _take(self, answer: "Future[Group]", member_id: str) -> None:
        try:
            group = answer.result()
        except (OSError, subprocess.SubprocessError, msgspec.DecodeError):  # who was there is not known to have left
            self.is_in = False
            return
        self.is_in = group.is_stable and member_id in {each.member_id for each in group.members}
        self.strangers = group_members.names(each for each in group.members if each.client_id != self._client_id)
