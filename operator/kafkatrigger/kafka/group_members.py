"""Members of a consumer group, as people are told of them."""

from collections.abc import Iterable

from confluent_kafka.admin import MemberDescription

SHOWN = 5


def names(members: Iterable[MemberDescription]) -> str:
    """Client ids and addresses, a few of them."""
    found = sorted({f"{each.client_id} at {each.host.removeprefix('/')}" for each in members})
    return ", ".join(found[:SHOWN])
