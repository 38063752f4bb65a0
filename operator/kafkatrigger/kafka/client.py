"""Configurations of Kafka clients, made from a connection."""

from collections.abc import Mapping, Sequence

Configuration = dict[str, str | int | float | bool]

CLIENT_ID = "kafkatrigger"


def connection(bootstrap_servers: Sequence[str], options: Mapping[str, str]) -> Configuration:
    """What every client of a trigger has in common. `options` were checked against the allowlist."""
    return {
        "client.id": CLIENT_ID,
        "socket.keepalive.enable": True,
        # A broker that comes back is found within a second, not after the default of up to ten.
        "reconnect.backoff.max.ms": 1000,
        # Without it an idle producer's connection, closed by the broker, is logged as an error.
        "log.connection.close": False,
        **options,
        "bootstrap.servers": ",".join(bootstrap_servers),
    }


def source(common: Configuration, group_id: str, buffer_bytes: int, options: Mapping[str, str]) -> Configuration:
    """A member of the trigger's group. Positions and commits are the engine's: the client never moves on its own.

    What it fetches ahead is at most about `buffer_bytes`, or one message of each partition where those are larger.
    """
    ahead = min(max(buffer_bytes, 1024 * 1024), 16 * 1024 * 1024)
    return {
        # The default of a second leaves the consumer idle after every full queue.
        "fetch.queue.backoff.ms": 10,
        "queued.max.messages.kbytes": ahead // 1024,
        "fetch.max.bytes": ahead,
        "fetch.message.max.bytes": min(ahead, 1024 * 1024),
        # How long a broker that does not answer can hold up a commit that is waited for.
        "socket.timeout.ms": 20_000,
        **common,
        **options,
        "group.id": group_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
    }


def rereading(common: Configuration, group_id: str, buffer_bytes: int, options: Mapping[str, str]) -> Configuration:
    """A reader beside the group: it is assigned positions, joins nothing and commits nothing."""
    return {
        **source(common, group_id, buffer_bytes // 4, options),
        "group.protocol": "classic",  # a group it never joins
        "fetch.wait.max.ms": 10,
    }


def group_protocol(name: str) -> Configuration:
    """`Consumer` or `Classic`, as librdkafka wants it said."""
    if name == "Consumer":
        return {"group.protocol": "consumer"}
    # Heartbeats and sessions are the broker's business under the new protocol, and the client's under the classic one.
    return {
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": 10_000,
    }


def outbox(common: Configuration, buffer_bytes: int) -> Configuration:
    """The producer of responses and dead letters: idempotent, and it never gives up by itself."""
    return {
        **common,
        "enable.idempotence": True,
        "partitioner": "murmur2_random",  # where Java clients put the same key
        "linger.ms": 2,
        "batch.size": 1_000_000,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": max(1024, buffer_bytes // 1024),
        # How long a topic may be unknown (a new one is, for a moment) before a write to it is reported as failed.
        "topic.metadata.propagation.max.ms": 10_000,
        "message.timeout.ms": 0,  # retry until the broker answers; losing the message instead is no option
        # The broker decides what is too large; the client's own limit would refuse what the topic allows.
        "message.max.bytes": 64 * 1024 * 1024,
        "delivery.report.only.error": True,
    }
