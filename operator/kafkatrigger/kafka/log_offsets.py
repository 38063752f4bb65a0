"""Offsets of logs, asked for many partitions at once.

A consumer's own questions are about one partition each, and a broker answers them behind the fetch that waits on the same
connection: half a second each where there is nothing to fetch.
"""

from collections.abc import Iterable, Mapping

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from msgspec.structs import replace

from kafkatrigger.api.starting_point import StartingPoint

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


def resolved(admin: AdminClient, points: Mapping[Place, StartingPoint], timeout: float) -> dict[Place, StartingPoint]:
    """The points with the offsets of those that go by time: at the end where nothing is that young. KafkaException."""
    asked = {
        place: OffsetSpec.for_timestamp(point.timestamp)
        for place, point in points.items()
        if point.timestamp is not None
    }
    by_time = {place: at for place, at in ask(admin, asked, timeout).items() if at >= 0}
    return {place: replace(point, offset=by_time.get(place, point.offset)) for place, point in points.items()}
