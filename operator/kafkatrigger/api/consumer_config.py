"""The consumer's configuration: written by the operator into a ConfigMap, read by the pod, free of defaults and units.

Imports nothing of the resource's models: a consumer carries no pydantic.
"""

import msgspec

from kafkatrigger.api.frames import Format, Ordering, Work
from kafkatrigger.api.start_policy import PartitionTimestamps

CONFIG_PATH = "/etc/kafkatrigger/consumer.json"
RUNTIME_SOCKET = "/run/kafkatrigger/runtime.sock"
STATUS_PORT = 8080


class RetryPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """Attempts in all, and the waits between them in seconds."""

    attempts: int
    initial_delay: float
    factor: float
    max_delay: float
    jitter: float


class TopicSettings(msgspec.Struct, frozen=True, rename="camel"):
    """A topic that the consumer writes to."""

    topic: str
    create: bool


class ConsumerConfig(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """All that a consumer needs, but the start policy, which its environment carries."""

    namespace: str
    name: str
    bootstrap_servers: list[str]
    connection_options: dict[str, str]
    group_id: str
    group_protocol: str
    topics: list[str]
    source_options: dict[str, str]
    function: str
    value_format: Format
    key_format: Format
    skip_tombstones: bool
    ordering: Ordering
    max_in_flight: int
    max_buffered_bytes: int
    timeout: float
    """Seconds of one attempt."""
    retry: RetryPolicy
    skip_failures: bool
    """`onFailure: Skip`; otherwise failures are dead-lettered."""
    dead_letter: TopicSettings
    response: TopicSettings | None
    response_headers: str
    drain: float
    """Seconds to drain after SIGTERM; what remains of the grace period is for flush and commit."""
    partition_timestamps: PartitionTimestamps
    """Only those that the environment cannot carry."""

    @property
    def work(self) -> Work:
        """What the runtime is told to do."""
        return Work(
            function=self.function,
            value_format=self.value_format,
            key_format=self.key_format,
            ordering=self.ordering,
            timeout_ms=round(self.timeout * 1000),
            skip_tombstones=self.skip_tombstones,
        )
