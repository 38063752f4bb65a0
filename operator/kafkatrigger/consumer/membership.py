"""Whether the coordinator counts a member in, asked without waiting."""

import time
from concurrent.futures import Future

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription

ASK_INTERVAL = 3.0
ASK_TIMEOUT = 10.0


class Membership:
    """What the coordinator said last of a member that waits for an assignment."""

    def __init__(self, admin: AdminClient, group_id: str) -> None:
        self._admin = admin
        self._group_id = group_id
        self._answer: Future[ConsumerGroupDescription] | None = None
        self._ask_at = time.monotonic() + ASK_INTERVAL  # most are given an assignment before that
        self._members: set[str] = set()

    def includes(self, member_id: str) -> bool:
        """Whether the member was in the group, and the group at rest, as of the last answer."""
        now = time.monotonic()
        if self._answer is not None and self._answer.done():
            self._members = _members(self._answer)
            self._answer = None
        elif self._answer is None and now >= self._ask_at:
            self._ask_at = now + ASK_INTERVAL
            self._answer = self._admin.describe_consumer_groups([self._group_id], request_timeout=ASK_TIMEOUT)[
                self._group_id
            ]
        return member_id in self._members


def _members(answer: "Future[ConsumerGroupDescription]") -> set[str]:
    try:
        group = answer.result()
    except KafkaException:
        return set()
    return {member.member_id for member in group.members} if group.state == ConsumerGroupState.STABLE else set()
