"""Members of a consumer group, as people are told of them, and who they are right now.

    python -m kafkatrigger.kafka.group_members

reads a `Question` from standard input and writes a `Group`. A process of its own asks, because the client ends its
process where a connection to the coordinator breaks meanwhile: https://github.com/confluentinc/librdkafka/pull/5397.
"""

import subprocess
import sys
from collections.abc import Iterable
from typing import Protocol

import msgspec
from confluent_kafka import ConsumerGroupState

from kafkatrigger.kafka.admin import Admin
from kafkatrigger.kafka.client import Configuration

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


class Question(msgspec.Struct, frozen=True):
    """Who is in a group."""

    settings: Configuration
    """Of the client that asks."""
    group: str


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


def inquire(settings: Configuration, group: str) -> Group:
    """Who is in the group; takes some seconds where brokers do. subprocess.SubprocessError where nobody says."""
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=msgspec.json.encode(Question(settings, group)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=LONGEST,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Group)


def main() -> None:
    """The life of the process."""
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    admin = Admin(question.settings)
    answers = admin.describe_consumer_groups([question.group], request_timeout=REQUEST_TIMEOUT)
    found = answers[question.group].result()
    members = [Member(each.member_id, each.client_id, each.host) for each in found.members]
    group = Group(found.state == ConsumerGroupState.STABLE, members)
    sys.stdout.buffer.write(msgspec.json.encode(group))


if __name__ == "__main__":
    main()
