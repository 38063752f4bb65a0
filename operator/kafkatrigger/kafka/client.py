"""Configurations of Kafka clients, made from a connection."""

from collections.abc import Mapping, Sequence

Configuration = dict[str, str | int | float | bool]

CLIENT_ID = "kafkatrigger"

QUIET: Configuration = {"log_level": 0}
"""For clients that raise what goes wrong: lines of their own would not be of our log's form."""


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
        # Topics and partitions that are made later are found this soon; the default is five minutes.
        "topic.metadata.refresh.interval.ms": 20_000,
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


INTERNAL_TOPICS: Configuration = {"topic.blacklist": "^__"}
"""For a pattern: what it matches of Kafka's own topics is left out."""


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


BATCH_BYTES = 1_000_000
"""Of a produced batch, where the topics take as much: one that is larger than `max.message.bytes` is refused as a whole."""

TRANSACTION_TIMEOUT = 10.0
"""Seconds after which the broker aborts a transaction. A dead pod's open one holds up its successor for as long."""

_WRITE_TIMEOUT_MS = 8_000
"""How long a topic may leave a record unwritten before it counts as one that refuses writes. Less than a transaction."""


LARGEST_RECORD = 64 * 1024 * 1024
"""Bytes. The broker decides what is too large; a lower limit of the client's would refuse what the topic allows."""


def outbox(
    common: Configuration, buffer_bytes: int, batch_bytes: int = BATCH_BYTES, *, is_compressed: bool = False
) -> Configuration:
    """The producer of responses and dead letters: idempotent; what it gives up is written again by its user."""
    return {
        **common,
        "enable.idempotence": True,
        "partitioner": "murmur2_random",  # where Java clients put the same key
        "linger.ms": 2,
        "batch.size": batch_bytes,
        "queue.buffering.max.messages": 1_000_000,
        # What does not fit into an empty queue would wait for ever.
        "queue.buffering.max.kbytes": max(LARGEST_RECORD, buffer_bytes) // 1024,
        "compression.type": "lz4" if is_compressed else "none",
        # How long a topic may be unknown (a new one is, for a moment) before a write to it is reported as failed.
        "topic.metadata.propagation.max.ms": _WRITE_TIMEOUT_MS,
        # A topic without enough replicas must not hold up the acknowledgements of all others for ever.
        "message.timeout.ms": _WRITE_TIMEOUT_MS,
        "message.max.bytes": LARGEST_RECORD,
        "delivery.report.only.error": True,
    }


def transactional(settings: Configuration, transactional_id: str) -> Configuration:
    """The same producer with transactions."""
    timeout_ms = round(TRANSACTION_TIMEOUT * 1000)
    return {
        **settings,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": timeout_ms,
        # The client wants it shorter than the transaction.
        "socket.timeout.ms": min(int(settings.get("socket.timeout.ms", timeout_ms)), timeout_ms - 1000),
        # Offsets are sent to a coordinator that may not know of the transaction yet: by default it is asked again
        # after 100 ms only, every time.
        "retry.backoff.ms": 1,
    }
