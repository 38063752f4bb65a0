"""The custom resource KafkaTrigger, as people write it.

One definition serves three readers: the CRD is generated from it (`crd`), the operator and `kafkatrigger run -f` parse
with it. Rules between fields are CEL expressions in `RULES` of each model; the API server evaluates them, so that a wrong
trigger is refused by `kubectl apply` with a sentence that names the field and the mend. Defaults are those of the
model: the CRD carries none (but `scaling.replicas`, for `kubectl scale`), because the chart's `defaults` are merged
under a trigger first.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from kafkatrigger.api.client_options import CONNECTION_OPTIONS, SOURCE_OPTIONS
from kafkatrigger.api.quantities import BYTES_PATTERN, DURATION_PATTERN, seconds
from kafkatrigger.api.start_policy import epoch_milliseconds

GROUP = "kafkatrigger.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "KafkaTrigger"
PLURAL = "kafkatriggers"

DRAIN_SECONDS = 15
"""What a stopping pod needs beyond one attempt: flush, commit, leave the group."""

Rule = tuple[str, str]
"""A CEL expression and the sentence shown where it is false."""


OBJECT: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
"""Schema of a core Kubernetes type: the API server checks it when the pod is made."""

TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]+$", min_length=1, max_length=249)]
Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]
Quantity = Annotated[str, Field(pattern=BYTES_PATTERN, max_length=20)]
Milliseconds = Annotated[int, Field(ge=0, le=253402300799999)]
KubernetesObject = Annotated[dict[str, Any], Field(json_schema_extra=OBJECT)]


def _options_rule(table: dict[str, str]) -> Rule:
    names = ", ".join(f"'{name}'" for name in sorted(table))
    return (
        f"self.all(name, name in [{names}])",
        f"only these options may be set: {', '.join(sorted(table))}",
    )


class Model(BaseModel):
    """Base of every part of a resource: camelCase outside, unknown fields refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)
    RULES: ClassVar[tuple[Rule, ...]] = ()


def _options_field(table: dict[str, str], what: str) -> Any:
    return Field(
        default_factory=dict,
        max_length=32,
        description=f"Tuning properties of librdkafka for {what}: {', '.join(sorted(table))}.",
        json_schema_extra={"rules": [list(_options_rule(table))]},
    )


OptionValue = Annotated[str, Field(max_length=64)]


class Kafka(Model):
    """The Kafka cluster."""

    bootstrap_servers: list[
        Annotated[str, Field(pattern=r"^[^\s:/]+:[0-9]{1,5}$|^\[[0-9a-fA-F:]+\]:[0-9]{1,5}$", max_length=260)]
    ] = Field(
        default_factory=list,
        max_length=100,
        description="Brokers to ask first, each as host:port. May come from the chart's defaults.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    options: dict[str, OptionValue] = _options_field(CONNECTION_OPTIONS, "every connection")

    @field_validator("options")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        return _allowed(value, CONNECTION_OPTIONS)


class Format(Model):
    """How the bytes of a message become what the transformation sees."""

    value: Literal["JSON", "String", "Bytes"] = Field(
        default="JSON", description="Format of values, of messages and of responses."
    )
    key: Literal["JSON", "String", "Bytes"] = Field(
        default="String", description="Format of keys, as the transformation sees them."
    )


StartText = Annotated[
    int | str,
    Field(
        description="Where partitions without a committed offset start: earliest, latest, epoch milliseconds or an RFC 3339 time.",
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "rules": [
                [
                    "type(self) == int ? self >= 0 : "
                    "(self in ['earliest','latest'] || timestamp(self) >= timestamp('1970-01-01T00:00:00Z'))",
                    "write earliest, latest, epoch milliseconds (not negative) or an RFC 3339 time with its zone",
                ]
            ],
        },
    ),
]


class Source(Model):
    """What is consumed, as which group, from where on."""

    RULES = (
        (
            "has(self.groupId) == has(oldSelf.groupId) && (!has(self.groupId) || self.groupId == oldSelf.groupId)",
            "source.groupId cannot change, nor be set or unset, on a live trigger: its committed offsets belong to the old "
            "group; delete the trigger and create it again",
        ),
        (
            "!has(self.partitionTimestamps) || self.partitionTimestamps.all(topic, topic in self.topics)",
            "source.partitionTimestamps names a topic that is not in source.topics: correct the name or add the topic",
        ),
    )

    topics: list[TopicName] = Field(
        min_length=1,
        max_length=100,
        description="Topics to consume.",
        json_schema_extra={
            "x-kubernetes-list-type": "set",
            "rules": [["self.all(topic, !(topic in ['.', '..']))", "Kafka allows no topic named . or .."]],
        },
    )
    group_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="Consumer group; the default is the chart's groupIdPrefix, the namespace, a dot and the name. Immutable.",
    )
    group_protocol: Literal["Auto", "Consumer", "Classic"] = Field(
        default="Auto", description="Rebalance protocol. Auto takes Consumer on brokers from 4.0 on, else Classic."
    )
    initial_offset_reset_policy: StartText = "earliest"
    partition_timestamps: dict[str, Annotated[dict[str, Milliseconds], Field(max_length=1000)]] = Field(
        default_factory=dict,
        max_length=100,
        description="Topic -> partition -> epoch milliseconds to start at, where no offset is committed. "
        "Wins over initialOffsetResetPolicy.",
        json_schema_extra={
            "rules": [
                [
                    "self.all(topic, self[topic].all(p, size(p) <= 6 && p.matches('^(0|[1-9][0-9]*)$')))",
                    'the keys below a topic are partition numbers, written as text such as "0"',
                ]
            ]
        },
    )
    format: Format = Field(default_factory=Format, description="Formats of value and key.")
    tombstones: Literal["Pass", "Skip"] = Field(
        default="Pass",
        description="Messages without a value: Pass runs the transformation with None, Skip filters them.",
    )
    options: dict[str, OptionValue] = _options_field(SOURCE_OPTIONS, "consuming")

    @field_validator("options")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        return _allowed(value, SOURCE_OPTIONS)

    @field_validator("initial_offset_reset_policy")
    @classmethod
    def _start(cls, value: int | str) -> int | str:
        if value not in ("earliest", "latest"):
            epoch_milliseconds(str(value))
        return value

    @model_validator(mode="after")
    def _timestamps_of_topics(self) -> "Source":
        _refuse_unless(set(self.partition_timestamps) <= set(self.topics), self.RULES[1][1])
        partitions = [number for of_topic in self.partition_timestamps.values() for number in of_topic]
        _refuse_unless(
            all(number.isdigit() for number in partitions),
            "source.partitionTimestamps: the keys below a topic are partition numbers",
        )
        return self


class Transformation(Model):
    """What runs for every message."""

    function: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$",
        max_length=253,
        description="Python function of the runtime image, as module:function.",
    )


class Retry(Model):
    """How often and when a failed message runs again."""

    RULES = (
        (
            "!has(self.initialDelay) || !has(self.maxDelay) || duration(self.maxDelay) >= duration(self.initialDelay)",
            "delivery.retry.maxDelay is shorter than initialDelay: raise maxDelay",
        ),
    )

    attempts: int = Field(default=5, ge=1, le=1000, description="Attempts in all, the first included.")
    initial_delay: Duration = Field(default="200ms", description="Wait before the second attempt.")
    factor: float = Field(default=2.0, ge=1, le=100, description="Each further wait is this many times longer.")
    max_delay: Duration = Field(default="1m", description="Longest wait.")
    jitter: float = Field(
        default=0.2, ge=0, le=1, description="Share of a wait that is random, so that failures do not return in step."
    )

    @model_validator(mode="after")
    def _delays(self) -> "Retry":
        _refuse_unless(seconds(self.max_delay) >= seconds(self.initial_delay), self.RULES[0][1])
        return self


class DeadLetter(Model):
    """Where messages go whose attempts are used up."""

    topic: TopicName | None = Field(
        default=None, description="Topic of dead letters; the default is the group with .dlq appended."
    )
    create: bool = Field(default=True, description="Create the topic when it is missing.")


class Delivery(Model):
    """How messages are delivered to the transformation."""

    ordering: Literal["Key", "Partition", "Unordered"] = Field(
        default="Key", description="What keeps its order: the messages of a key, those of a partition, or nothing."
    )
    max_in_flight: int = Field(
        default=5000, ge=1, le=1_000_000, description="Messages of a pod handed to its runtime and not yet answered."
    )
    max_buffered_bytes: Quantity = Field(default="64Mi", description="Bytes of messages and results that a pod holds.")
    timeout: Annotated[
        Duration,
        Field(
            json_schema_extra={
                "rules": [
                    [
                        "duration(self) >= duration('100ms') && duration(self) <= duration('1h')",
                        "delivery.timeout lies between 100ms and 1h",
                    ]
                ]
            }
        ),
    ] = Field(default="30s", description="Longest run of one attempt.")
    retry: Retry = Field(default_factory=Retry, description="Retry of failed messages.")
    on_failure: Literal["DeadLetter", "Skip"] = Field(
        default="DeadLetter",
        description="What becomes of a message whose attempts are used up: dead letter, or skipped with a log line and a count.",
    )
    dead_letter: DeadLetter = Field(default_factory=DeadLetter, description="The dead-letter topic.")

    @field_validator("timeout")
    @classmethod
    def _timeout(cls, value: str) -> str:
        _refuse_unless(0.1 <= seconds(value) <= 3600, "delivery.timeout lies between 100ms and 1h")
        return value


class Response(Model):
    """Where results go. Without it results are dropped, which suits functions that act on another system."""

    topic: TopicName = Field(description="Topic of responses.")
    create: bool = Field(default=True, description="Create the topic when it is missing.")
    headers: Literal["None", "Source", "All"] = Field(
        default="None",
        description="Headers of a response: None, those of the source message, or All "
        "(also kafkatrigger.source.topic, .partition, .offset and .timestamp).",
    )


class EnvironmentVariable(Model):
    """One variable of the runtime container."""

    name: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        max_length=253,
        description="Name of the variable.",
        json_schema_extra={
            "rules": [
                [
                    "!self.startsWith('KAFKATRIGGER_')",
                    "names that start with KAFKATRIGGER_ are the operator's: choose another",
                ]
            ]
        },
    )
    value: str | None = Field(default=None, max_length=32768, description="Its value.")
    value_from: KubernetesObject | None = Field(
        default=None, description="Its source, as in a pod: secretKeyRef, configMapKeyRef or fieldRef."
    )


class Resources(Model):
    """Requests and limits of a container."""

    requests: dict[str, int | str] = Field(
        default_factory=dict,
        max_length=16,
        description="Guaranteed resources.",
        json_schema_extra={"values": {"x-kubernetes-int-or-string": True}},
    )
    limits: dict[str, int | str] = Field(
        default_factory=dict,
        max_length=16,
        description="Upper bounds.",
        json_schema_extra={"values": {"x-kubernetes-int-or-string": True}},
    )


class Runtime(Model):
    """The container that runs the transformation."""

    mode: Literal["Sidecar"] = Field(default="Sidecar", description="Sidecar: a container of the consumer's pod.")
    workers: int = Field(default=2, ge=1, le=64, description="Worker processes.")
    image: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="Image with the transformation; the default is the chart's runtime image.",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None, description="When the kubelet pulls the image, as in a pod."
    )
    resources: Resources = Field(default_factory=Resources, description="Resources of the container.")
    env: list[EnvironmentVariable] = Field(
        default_factory=list,
        max_length=100,
        description="Variables of the container.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


class Volume(Model):
    """A volume for the runtime: exactly one of the closed list of sources."""

    RULES = (
        (
            "[has(self.configMap), has(self.secret), has(self.emptyDir), has(self.projected), has(self.persistentVolumeClaim)]"
            ".filter(x, x).size() == 1",
            "a volume has exactly one of configMap, secret, emptyDir, projected, persistentVolumeClaim",
        ),
    )

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="Name of the volume.",
        json_schema_extra={
            "rules": [
                [
                    "!self.startsWith('kafkatrigger-')",
                    "names that start with kafkatrigger- are the operator's: choose another",
                ]
            ]
        },
    )
    config_map: KubernetesObject | None = Field(default=None, description="As in a pod.")
    secret: KubernetesObject | None = Field(default=None, description="As in a pod.")
    empty_dir: KubernetesObject | None = Field(default=None, description="As in a pod.")
    projected: KubernetesObject | None = Field(default=None, description="As in a pod.")
    persistent_volume_claim: KubernetesObject | None = Field(default=None, description="As in a pod.")


class VolumeMount(Model):
    """Where a volume appears in the runtime container."""

    name: str = Field(max_length=63, description="Name of a volume of podTemplate.volumes.")
    mount_path: str = Field(
        max_length=1024,
        description="Absolute path in the container.",
        json_schema_extra={
            "rules": [
                [
                    "self.startsWith('/') && !self.startsWith('/run/kafkatrigger')",
                    "mountPath is an absolute path, and /run/kafkatrigger is the operator's",
                ]
            ]
        },
    )
    sub_path: str | None = Field(default=None, max_length=1024, description="Path inside the volume.")
    read_only: bool | None = Field(default=None, description="Mount it read-only.")


def _pod_objects(description: str) -> Any:
    return Field(
        default_factory=list,
        max_length=64,
        description=description,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class PodTemplate(Model):
    """What may be said about the pods: a closed list, without any security setting."""

    RULES = (
        (
            "!has(self.volumeMounts) || self.volumeMounts.all(m, has(self.volumes) && self.volumes.exists(v, v.name == m.name))",
            "podTemplate.volumeMounts names a volume that podTemplate.volumes does not have",
        ),
    )

    labels: dict[str, Annotated[str, Field(max_length=63)]] = Field(
        default_factory=dict, max_length=64, description="Further labels of the pods."
    )
    annotations: dict[str, Annotated[str, Field(max_length=16384)]] = Field(
        default_factory=dict, max_length=64, description="Further annotations of the pods."
    )
    image_pull_secrets: list[KubernetesObject] = _pod_objects("As in a pod.")
    service_account_name: str | None = Field(
        default=None, max_length=253, description="ServiceAccount of the pods; its token is not mounted."
    )
    node_selector: dict[str, Annotated[str, Field(max_length=63)]] = Field(
        default_factory=dict, max_length=64, description="As in a pod."
    )
    tolerations: list[KubernetesObject] = _pod_objects("As in a pod.")
    affinity: KubernetesObject | None = Field(default=None, description="As in a pod.")
    topology_spread_constraints: list[KubernetesObject] = _pod_objects("As in a pod.")
    priority_class_name: str | None = Field(default=None, max_length=253, description="As in a pod.")
    runtime_class_name: str | None = Field(default=None, max_length=253, description="As in a pod.")
    termination_grace_period_seconds: int | None = Field(
        default=None,
        ge=DRAIN_SECONDS,
        le=7200,
        description="Time to drain at the end; at least delivery.timeout and 15 seconds, which is also the default.",
    )
    host_aliases: list[KubernetesObject] = _pod_objects("As in a pod.")
    dns_config: KubernetesObject | None = Field(default=None, description="As in a pod.")
    volumes: list[Volume] = Field(
        default_factory=list,
        max_length=32,
        description="Volumes for the runtime container.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    volume_mounts: list[VolumeMount] = Field(
        default_factory=list,
        max_length=64,
        description="Where the volumes appear in the runtime container.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["mountPath"]},
    )


class Scaling(Model):
    """How many consumer pods."""

    replicas: int = Field(
        default=1, ge=0, le=1000, description="Consumer pods; those beyond the number of partitions stand by."
    )


class KafkaTriggerSpec(Model):
    """For every message on these topics, run this transformation and publish its result."""

    RULES = (
        (
            "!has(self.response) || !(self.response.topic in self.source.topics)",
            "response.topic is also a source topic, so responses would trigger themselves: choose another response.topic",
        ),
        (
            "!has(self.delivery) || !has(self.delivery.deadLetter) || !has(self.delivery.deadLetter.topic) || "
            "!(self.delivery.deadLetter.topic in self.source.topics)",
            "delivery.deadLetter.topic is also a source topic, so dead letters would trigger themselves: choose another topic",
        ),
        (
            "!has(self.response) || !has(self.delivery) || !has(self.delivery.deadLetter) || "
            "!has(self.delivery.deadLetter.topic) || self.delivery.deadLetter.topic != self.response.topic",
            "delivery.deadLetter.topic and response.topic are the same, so readers could not tell results from failures: "
            "choose another",
        ),
        (
            "!has(self.podTemplate) || !has(self.podTemplate.terminationGracePeriodSeconds) || "
            "self.podTemplate.terminationGracePeriodSeconds >= 15 + "
            "(has(self.delivery) && has(self.delivery.timeout) ? duration(self.delivery.timeout).getSeconds() : 0)",
            "podTemplate.terminationGracePeriodSeconds is too short to drain: at least delivery.timeout and 15 seconds",
        ),
    )

    suspend: bool = Field(default=False, description="Stop consuming: no pods, offsets kept.")
    kafka: Kafka = Field(default_factory=Kafka, description="The Kafka cluster.")
    source: Source = Field(description="What is consumed.")
    transformation: Transformation = Field(description="What runs for every message.")
    delivery: Delivery = Field(default_factory=Delivery, description="How messages are delivered.")
    response: Response | None = Field(default=None, description="Where results go; without it they are dropped.")
    runtime: Runtime = Field(default_factory=Runtime, description="The container that runs the transformation.")
    pod_template: PodTemplate = Field(default_factory=PodTemplate, description="Settings of the pods.")
    scaling: Scaling = Field(default_factory=Scaling, description="How many pods.")

    @property
    def grace_period_seconds(self) -> int:
        """Seconds a pod has to drain, flush, commit and leave the group."""
        return (
            self.pod_template.termination_grace_period_seconds or round(seconds(self.delivery.timeout)) + DRAIN_SECONDS
        )

    @model_validator(mode="after")
    def _topics_differ(self) -> "KafkaTriggerSpec":
        dead_letter = self.delivery.dead_letter.topic
        response = self.response.topic if self.response else None
        _refuse_unless(response not in self.source.topics, self.RULES[0][1])
        _refuse_unless(dead_letter not in self.source.topics, self.RULES[1][1])
        _refuse_unless(response is None or response != dead_letter, self.RULES[2][1])
        return self

    @model_validator(mode="after")
    def _complete(self) -> "KafkaTriggerSpec":
        _refuse_unless(
            bool(self.kafka.bootstrap_servers),
            "kafka.bootstrapServers is missing: name at least one broker as host:port, here or in the chart's defaults",
        )
        needed = seconds(self.delivery.timeout) + DRAIN_SECONDS
        _refuse_unless(self.grace_period_seconds >= needed - 1, self.RULES[3][1])
        return self


class KafkaTriggerStatus(Model):
    """What the operator observed."""

    model_config = ConfigDict(extra="ignore")

    observed_generation: int | None = Field(
        default=None, description="Generation of the spec that this status speaks of."
    )
    conditions: list[KubernetesObject] = Field(
        default_factory=list,
        description="Ready, Accepted, Connected, Deployed, Consuming, and others only when they apply.",
    )
    replicas: int | None = Field(default=None, description="Pods that exist.")
    selector: str | None = Field(default=None, description="Label selector of the pods, for the scale subresource.")
    topics_text: str | None = Field(default=None, description="Source topics, for the printed column.")
    lag: int | None = Field(default=None, description="Messages not yet terminal, as of the last write of this status.")


def _refuse_unless(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)


def _allowed(options: dict[str, str], table: dict[str, str]) -> dict[str, str]:
    _refuse_unless(set(options) <= set(table), _options_rule(table)[1])
    return options
