"""Which topics those of the names are, and whether somebody leads their partitions, asked now and then without waiting.

A topic may be deleted and made anew between two fetches. Where the new log is longer than the position by then, no error
tells of it. Nor does one tell that a partition has lost its leader: the client waits for another one.
"""

from collections.abc import Collection

from confluent_kafka.admin import AdminClient

from kafkatrigger.kafka import topics

ASK_INTERVAL = 10.0
"""Seconds; one small request of each pod."""


class Identities:
    """The ids of topics, and the partitions without a leader, as of the last answer."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin
        self._answers: topics.Descriptions | None = None
        self._ask_at = 0.0
        self.leaderless: frozenset[tuple[str, int]] = frozenset()

    def news(self, names: Collection[str], now: float) -> dict[str, bytes]:
        """Each answer once; nothing meanwhile, and of topics that the broker does not tell of."""
        if self._answers is not None and all(each.done() for each in self._answers.values()):
            answers, self._answers = self._answers, None
            self.leaderless = topics.leaderless(answers)
            return topics.known_ids(answers)
        if self._answers is None and names and now >= self._ask_at:
            self._ask_at = now + ASK_INTERVAL
            self._answers = topics.ask_ids(self._admin, names)
        return {}
