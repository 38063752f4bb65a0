"""Offsets of logs, asked for many partitions at once.

A consumer's own questions are about one partition each, and a broker answers them behind the fetch that waits on the same
connection: half a second each where there is nothing to fetch.
"""

from collections.abc import Iterable, Mapping

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

Place = tuple[str, int]
"""Topic and partition."""


def ask(admin: AdminClient, wanted: Mapping[Place, OffsetSpec], timeout: float) -> dict[Place, int]:
    """As readers of committed transactions see it; -1 where nothing is of a time or later.

    KafkaException where that of one of them is not known after `timeout` seconds.
    """
    if not wanted:
        return {}
    asked = {TopicPartition(*place): spec for place, spec in wanted.items()}
    answers = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=timeout)
    return {(each.topic, each.partition): found.result().offset for each, found in answers.items()}


def ranges(admin: AdminClient, places: Iterable[Place], timeout: float) -> dict[Place, tuple[int, int]]:
    """The first offset that each log has, and its end; KafkaException."""
    places = list(places)
    lows = ask(admin, dict.fromkeys(places, OffsetSpec.earliest()), timeout)
    ends = ask(admin, dict.fromkeys(places, OffsetSpec.latest()), timeout)
    return {place: (lows[place], ends[place]) for place in places}
