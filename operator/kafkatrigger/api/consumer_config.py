"""The consumer's configuration: written by the operator into a ConfigMap, read by the pod, free of defaults and units."""

import msgspec

from kafkatrigger.api.frames import Format, Ordering, Work
from kafkatrigger.api.quantities import quantity_bytes, seconds
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.api.start_policy import PartitionTimestamps, StartPolicy, mounted_timestamps

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


def start_policy(spec: KafkaTriggerSpec) -> StartPolicy:
    """The start policy of a trigger."""
    source = spec.source
    return StartPolicy(str(source.initial_offset_reset_policy), source.partition_timestamps)


def group_id(namespace: str, name: str, spec: KafkaTriggerSpec, prefix: str = "") -> str:
    """The consumer group of a trigger: computed, never written into the spec."""
    return spec.source.group_id or f"{prefix}{namespace}.{name}"


def consumer_config(namespace: str, name: str, spec: KafkaTriggerSpec, group_prefix: str = "") -> ConsumerConfig:
    """The configuration of a trigger's consumers."""
    group = group_id(namespace, name, spec, group_prefix)
    source, delivery, response = spec.source, spec.delivery, spec.response
    return ConsumerConfig(
        namespace=namespace,
        name=name,
        bootstrap_servers=spec.kafka.bootstrap_servers,
        connection_options=spec.kafka.options,
        group_id=group,
        group_protocol=source.group_protocol,
        topics=source.topics,
        source_options=source.options,
        function=spec.transformation.function,
        value_format=source.format.value,
        key_format=source.format.key,
        skip_tombstones=source.tombstones == "Skip",
        ordering=delivery.ordering,
        max_in_flight=delivery.max_in_flight,
        max_buffered_bytes=quantity_bytes(delivery.max_buffered_bytes),
        timeout=seconds(delivery.timeout),
        retry=RetryPolicy(
            attempts=delivery.retry.attempts,
            initial_delay=seconds(delivery.retry.initial_delay),
            factor=delivery.retry.factor,
            max_delay=seconds(delivery.retry.max_delay),
            jitter=delivery.retry.jitter,
        ),
        skip_failures=delivery.on_failure == "Skip",
        dead_letter=TopicSettings(delivery.dead_letter.topic or f"{group}.dlq", delivery.dead_letter.create),
        response=TopicSettings(response.topic, response.create) if response else None,
        response_headers=response.headers if response else "None",
        drain=spec.grace_period_seconds - 10,
        partition_timestamps=mounted_timestamps(start_policy(spec)),
    )
