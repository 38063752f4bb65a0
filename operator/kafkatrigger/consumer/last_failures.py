"""The messages that failed last: what a person looks at first. Where they are and why, and nothing of what is in them."""

import time

from kafkatrigger.api.frames import Failed, Record
from kafkatrigger.api.pod_status import FailedMessage
from kafkatrigger.consumer.partition import Partition

KEPT = 10
"""Messages of a pod: a person wants to see of what kind they are, and the dead-letter topic has all."""


class LastFailures:
    """Each message once, with its last attempt, so that one that is retried does not push out all others."""

    def __init__(self) -> None:
        self._messages: dict[tuple[str, int, int], FailedMessage] = {}

    def note(self, partition: Partition, record: Record, failed: Failed, *, final: bool) -> None:
        """An attempt failed; `final`: there is no other."""
        place = partition.topic, partition.number, record[1]
        self._messages.pop(place, None)
        now = round(time.time() * 1000)
        self._messages[place] = FailedMessage(*place, failed.reason, failed.error_class, record[3], final, now)
        if len(self._messages) > KEPT:
            del self._messages[next(iter(self._messages))]

    @property
    def messages(self) -> list[FailedMessage]:
        """The latest last."""
        return list(self._messages.values())
