"""Members of a consumer group, as people are told of them, and who they are right now.

    python -m kafkatrigger.kafka.group_members

reads a consumer's configuration from standard input and writes a `Group`. A process of its own asks, because the client
ends its process where a connection to the coordinator breaks meanwhile: https://github.com/confluentinc/librdkafka/pull/5397.
"""

import subprocess
import sys
from collections.abc import Iterable
from typing import Protocol

import msgspec
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.kafka.client import connection

SHOWN = 5
REQUEST_TIMEOUT = 10.0
LONGEST = 20.0
"""Seconds for all of an inquiry."""


class Named(Protocol):
    """What is told of a member."""

    @property
    def client_id(self) -> str:
        """As its configuration says."""

    @property
    def host(self) -> str:
        """Its address, as brokers write it: with a slash in front."""


class Member(msgspec.Struct, frozen=True):
    """One member."""

    member_id: str
    client_id: str
    host: str


class Group(msgspec.Struct, frozen=True):
    """What the coordinator says."""

    is_stable: bool
    """All members have what they are to have."""
    members: list[Member]


def names(members: Iterable[Named]) -> str:
    """Client ids and addresses, a few of them."""
    found = sorted({f"{each.client_id} at {each.host.removeprefix('/')}" for each in members})
    return ", ".join(found[:SHOWN])


def inquire(config: ConsumerConfig) -> Group:
    """Who is in the trigger's group; takes some seconds where brokers do. subprocess.SubprocessError where nobody says."""
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=msgspec.json.encode(config),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=LONGEST,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Group)


def main() -> None:
    """The life of the process."""
    config = msgspec.json.decode(sys.stdin.buffer.read(), type=ConsumerConfig)
    admin = AdminClient({**connection(config.bootstrap_servers, config.connection_options), "log_level": 0})
    answers = admin.describe_consumer_groups([config.group_id], request_timeout=REQUEST_TIMEOUT)
    found = answers[config.group_id].result()
    members = [Member(each.member_id, each.client_id, each.host) for each in found.members]
    group = Group(found.state == ConsumerGroupState.STABLE, members)
    sys.stdout.buffer.write(msgspec.json.encode(group))


if __name__ == "__main__":
    main()
