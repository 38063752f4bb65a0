"""The librdkafka properties that a trigger may set: one table for schema, checks and documentation.

An allowlist of tuning knobs. Nothing here names a file, a library, a URL, a credential or a callback, decides which broker
is spoken to, or touches what the delivery engine owns (commits, positions, assignment, idempotence).
Source of names, meanings and ranges: librdkafka's CONFIGURATION.md.
"""

from typing import NamedTuple

Choices = tuple[str, ...]
Range = tuple[int, int]
"""Least and greatest value."""


class Option(NamedTuple):
    """One property."""

    meaning: str
    values: Range | Choices | None
    """None: any text."""

    @property
    def words(self) -> str:
        """The values in words."""
        if self.values is None:
            return "any text"
        if isinstance(self.values[0], int):
            return f"{self.values[0]} to {self.values[1]}"
        return " or ".join(map(str, self.values))

    def allows(self, value: str) -> bool:
        """Whether the property takes the value."""
        if self.values is None:
            return True
        if isinstance(self.values[0], str):
            return value in self.values
        least, greatest = self.values
        return value.isascii() and value.isdigit() and int(least) <= int(value) <= int(greatest)


Table = dict[str, Option]

CONNECTION_OPTIONS: Table = {
    "broker.address.family": Option("Which addresses of a broker's name to use.", ("any", "v4", "v6")),
    "client.dns.lookup": Option(
        "Try every address of a broker's name, or expand an alias of the bootstrap servers.",
        ("use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"),
    ),
    "client.rack": Option("Rack of this client, so that it fetches from the closest replica.", None),
    "connections.max.idle.ms": Option("Close an idle broker connection after this time; 0 never.", (0, 2147483647)),
    "metadata.max.age.ms": Option("How old cluster metadata may become.", (1, 86400000)),
    "reconnect.backoff.max.ms": Option("Longest wait between two attempts to reconnect.", (0, 3600000)),
    "reconnect.backoff.ms": Option("First wait before reconnecting to a broker.", (0, 3600000)),
    "socket.connection.setup.timeout.ms": Option("How long setting up a connection may take.", (1000, 2147483647)),
    "socket.keepalive.enable": Option("TCP keep-alive on broker connections.", ("true", "false")),
    "socket.timeout.ms": Option("How long a network request may take.", (10, 300000)),
}

SOURCE_OPTIONS: Table = {
    "fetch.error.backoff.ms": Option("Wait after a failed fetch of a partition.", (0, 300000)),
    "fetch.max.bytes": Option("Most bytes that a broker returns for one fetch.", (1000000, 2147483135)),
    "fetch.min.bytes": Option("Least bytes that a broker waits for before it answers a fetch.", (1, 100000000)),
    "fetch.queue.backoff.ms": Option("Wait before fetching again while the queue is full.", (0, 300000)),
    "fetch.wait.max.ms": Option("How long a broker may wait for fetch.min.bytes.", (0, 300000)),
    "heartbeat.interval.ms": Option("Interval of heartbeats; with groupProtocol Classic.", (1, 3600000)),
    "max.partition.fetch.bytes": Option("Most bytes of one partition in one fetch.", (1, 1000000000)),
    "max.poll.interval.ms": Option("Longest time between two polls before the member is expelled.", (1, 86400000)),
    "queued.max.messages.kbytes": Option("Most kibibytes fetched ahead, over all partitions.", (1, 2097151)),
    "queued.min.messages": Option("How many messages to fetch ahead for each partition.", (1, 10000000)),
    "session.timeout.ms": Option("After this silence a member is dead; with groupProtocol Classic.", (1, 3600000)),
}

CLASSIC_ONLY = ("heartbeat.interval.ms", "session.timeout.ms")
"""The broker decides these under the new protocol, and a client that says anything of them is refused."""
