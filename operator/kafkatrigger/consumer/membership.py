"""What the coordinator says of the group, asked without waiting: whether it counts this member in, and who else is there."""

import os
import time
from concurrent.futures import Future

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription

from kafkatrigger.api.consumer_config import TRIGGER_UID
from kafkatrigger.kafka import group_members

ASK_INTERVAL = 3.0
"""Seconds between a change and the question what it made of the group, and between questions while something is wrong."""
REST_INTERVAL = 60.0
ASK_TIMEOUT = 10.0


def client_id(namespace: str, name: str) -> str:
    """The same for all pods of a trigger, and for nobody else: a trigger of the same name in another cluster has another uid."""
    return ".".join(filter(None, ["kafkatrigger", namespace, name, os.environ.get(TRIGGER_UID, "")[:8]]))


class Membership:
    """Members that are not of the trigger get messages that its function never sees.

    Whoever joins and is given partitions takes them from others, so it is noticed by what becomes of the own assignment.
    """

    def __init__(self, admin: AdminClient, group_id: str, client_id: str) -> None:
        self._admin, self._group_id, self._client_id = admin, group_id, client_id
        self._answer: Future[ConsumerGroupDescription] | None = None
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
            self._ask_at = now + (REST_INTERVAL if self.is_in and not self.strangers else ASK_INTERVAL)
        elif self._answer is None and now >= self._ask_at:
            answers = self._admin.describe_consumer_groups([self._group_id], request_timeout=ASK_TIMEOUT)
            self._answer = answers[self._group_id]

    def _take(self, answer: "Future[ConsumerGroupDescription]", member_id: str) -> None:
        try:
            group = answer.result()
        except KafkaException:  # asked again soon; who was there before is not known to have left
            self.is_in = False
            return
        self.is_in = group.state == ConsumerGroupState.STABLE and member_id in {
            each.member_id for each in group.members
        }
        self.strangers = group_members.names(each for each in group.members if each.client_id != self._client_id)
