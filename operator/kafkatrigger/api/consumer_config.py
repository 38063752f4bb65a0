"""The consumer's configuration: written by the operator into a ConfigMap, read by the pod, free of defaults and units.

Imports nothing of the resource's models: a consumer carries no pydantic.
"""

from typing import Literal

import msgspec

from kafkatrigger.api.frames import Format, Ordering, Work
from kafkatrigger.api.start_policy import PartitionTimestamps
from kafkatrigger.api.transforming import Transforming

CONFIG_PATH = "/etc/kafkatrigger/consumer.json"
RUNTIME_SOCKET = "/run/kafkatrigger/runtime.sock"
CONTROL_SOCKET = "/run/kafkatrigger-control/control.sock"
"""In a volume that the consumer container alone mounts."""
CREDENTIALS_PATH = "/var/run/secrets/kafkatrigger"
"""In the consumer alone: its token for the API server, and `ca.crt`, where it reads Transformations."""
STATUS_PORT = 8080
TRIGGER_UID = "KAFKATRIGGER_TRIGGER_UID"
"""Environment variable of the consumer: the uid of its trigger's object; not there in a local run."""

Guarantee = Literal["AtLeastOnce", "ExactlyOnce"]
OnFailure = Literal["DeadLetter", "Block", "Skip", "Stop"]


class RetryPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """Attempts in all, and the waits between them in seconds."""

    attempts: int
    initial_delay: float
    factor: float
    max_delay: float
    jitter: float


class BreakerPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """When failures are so many that the fault is not the messages': dispatch stops and one message at a time probes."""

    window: float
    """Seconds that are looked back upon."""
    minimum_messages: int
    minimum_keys: int
    failure_ratio: float
    """The share of the messages in the window that has to fail for good, exclusive."""


class TopicSettings(msgspec.Struct, frozen=True, rename="camel"):
    """A topic that the consumer writes to."""

    topic: str
    create: bool
    max_bytes: int
    """Of one record, in a topic that the consumer makes."""


class TracingPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """Where spans go, and the share of the messages without a trace context that begin a trace."""

    endpoint: str
    """An OTLP receiver for HTTP, without the path of a signal."""
    sampling_ratio: float


class ConsumerConfig(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """All that a consumer needs, but the start policy, which its environment carries."""

    namespace: str
    name: str
    bootstrap_servers: list[str]
    connection_options: dict[str, str]
    group_id: str
    group_protocol: str
    topics: list[str]
    topic_pattern: str
    """Instead of `topics`; empty where these are named."""
    source_options: dict[str, str]
    function: str
    """Empty where transformations run."""
    value_format: Format
    key_format: Format
    skip_tombstones: bool
    filter: str
    """CEL expression, or empty."""
    ordering: Ordering
    max_in_flight: int
    max_buffered_bytes: int
    timeout: float
    """Seconds of one attempt."""
    retry: RetryPolicy
    guarantee: Guarantee
    on_failure: OnFailure
    breaker: BreakerPolicy | None
    """None where it is switched off."""
    dead_letter: TopicSettings
    redrive_topic: str
    """Dead letters that are to run again; consumed beside `topics` once it exists. Nobody else reads it."""
    response: TopicSettings | None
    response_headers: str
    drain: float
    """Seconds to drain after SIGTERM; what remains of the grace period is for flush and commit."""
    partition_timestamps: PartitionTimestamps
    """Only those that the environment cannot carry."""
    tracing: TracingPolicy | None
    """None where there are no spans."""
    transforming: Transforming | None
    """None where a function runs."""
    output_topics: list[TopicSettings]
    """That outputs of transformations may be written to, beside the response."""

    @property
    def sources(self) -> list[str]:
        """The source topics as their user said them: names, or the pattern alone."""
        return self.topics or [self.topic_pattern]

    @property
    def result_topics(self) -> list[TopicSettings]:
        """Where results go: that of responses, if there is one, and those of outputs."""
        return [*([self.response] if self.response else []), *self.output_topics]

    @property
    def is_request(self) -> bool:
        """Whether messages are requests, each of which is answered."""
        return self.transforming is not None and self.transforming.is_request

    @property
    def work(self) -> Work:
        """What the runtime is told to do; of the transformations that run, only which."""
        return Work(
            function=self.function,
            value_format="Bytes" if self.is_request else self.value_format,  # what is no request is answered too
            key_format=self.key_format,
            ordering=self.ordering,
            timeout_ms=round(self.timeout * 1000),
            skip_tombstones=self.skip_tombstones,
            filter=self.filter,
            transforming=self.transforming,
        )
