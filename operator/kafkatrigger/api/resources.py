"""The custom resource KafkaTrigger, as people write it.

One definition serves three readers: the CRD is generated from it (`crd`), the operator and `kafkatrigger run -f` parse
with it. Rules between fields are CEL expressions in `RULES` of each model; the API server evaluates them, so that a wrong
trigger is refused by `kubectl apply` with a sentence that names the field and the mend. Defaults are those of the
model: the CRD carries none (but `scaling.replicas`, for `kubectl scale`), because the chart's `defaults` are merged
under a trigger first.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from kafkatrigger.api.delivery import Delivery, Response
from kafkatrigger.api.pods import DRAIN_SECONDS, PodTemplate, Runtime
from kafkatrigger.api.quantities import seconds
from kafkatrigger.api.replay import Replay, ReplayStatus
from kafkatrigger.api.schema import KubernetesObject, Model, refuse_unless
from kafkatrigger.api.source import Kafka, Source
from kafkatrigger.api.topic_pattern import matching
from kafkatrigger.api.tracing import Tracing
from kafkatrigger.api.trigger_transformation import Transformation

GROUP = "kafkatrigger.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "KafkaTrigger"
PLURAL = "kafkatriggers"

_OUTPUT_IS_SOURCE = (
    "an output's topic is also a source topic, so outputs would trigger themselves: choose another in "
    "transformation.wiring.outputs or transformation.request.topics"
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
            "!has(self.response) || !has(self.source.topics) || !(self.response.topic in self.source.topics)",
            "response.topic is also a source topic, so responses would trigger themselves: choose another response.topic",
        ),
        (
            "!has(self.delivery) || !has(self.delivery.deadLetter) || !has(self.delivery.deadLetter.topic) || "
            "!has(self.source.topics) || !(self.delivery.deadLetter.topic in self.source.topics)",
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
        (
            "!has(self.source.groupId) || !has(self.source.topics) || !((self.source.groupId + '.redrive') in self.source.topics)",
            "source.topics has the trigger's own redrive topic (source.groupId with .redrive appended), which it reads anyway: "
            "remove it",
        ),
        (
            "!has(self.source.groupId) || ((!has(self.response) || self.response.topic != self.source.groupId + '.redrive') "
            "&& (!has(self.delivery) || !has(self.delivery.deadLetter) || !has(self.delivery.deadLetter.topic) || "
            "self.delivery.deadLetter.topic != self.source.groupId + '.redrive'))",
            "source.groupId with .redrive appended is the topic of messages that are to run again, so neither responses nor "
            "dead letters may go there: choose another response.topic or delivery.deadLetter.topic",
        ),
        (
            "!has(self.replay) || !has(self.replay.partitions) || !has(self.source.topics) || "
            "self.replay.partitions.all(topic, topic in self.source.topics)",
            "replay.partitions names a topic that is no source: correct the name, or add the topic to source.topics",
        ),
        (
            "!has(self.source.topics) || !has(self.transformation.wiring) || !has(self.transformation.wiring.outputs) || "
            "!self.transformation.wiring.outputs.exists(o, has(o.topic) && o.topic in self.source.topics)",
            _OUTPUT_IS_SOURCE,
        ),
        (
            "!has(self.source.topics) || !has(self.transformation.request) || !has(self.transformation.request.topics) || "
            "!self.transformation.request.topics.exists(topic, topic in self.source.topics)",
            _OUTPUT_IS_SOURCE,
        ),
        (
            "!has(self.transformation.request) || !has(self.source.filter)",
            "source.filter is not for requests, each of which is answered: remove it",
        ),
        (
            "!has(self.transformation.request) || !has(self.source.format) || !has(self.source.format.value) || "
            "self.source.format.value == 'JSON'",
            "source.format.value is JSON where messages are requests: remove it",
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
    deletion_policy: Literal["Retain", "DeleteGroup"] = Field(
        default="Retain",
        description="What becomes of the consumer group when the trigger is deleted. Retain: it stays, and a trigger of the same "
        "group continues there. DeleteGroup: it is deleted when the pods have left it, within a minute or not at all.",
    )
    replay: Replay | None = Field(default=None, description="Moves the offsets of the group, once for each nonce.")
    tracing: Tracing | None = Field(default=None, description="Spans of executions; without it there are none.")

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
        refuse_unless(response not in self.source.topics, self.RULES[0][1])
        refuse_unless(dead_letter not in self.source.topics, self.RULES[1][1])
        refuse_unless(response is None or response != dead_letter, self.RULES[2][1])
        return self

    @model_validator(mode="after")
    def _outputs_are_no_sources(self) -> "KafkaTriggerSpec":
        refuse_unless(not set(self.transformation.topics) & set(self.source.topics), _OUTPUT_IS_SOURCE)
        return self

    @model_validator(mode="after")
    def _requests_are_answered(self) -> "KafkaTriggerSpec":
        if self.transformation.request:
            refuse_unless(self.source.filter is None, self.RULES[9][1])
            refuse_unless(self.source.format.value == "JSON", self.RULES[10][1])
            refuse_unless(
                self.response is not None,
                "response is missing: every request is answered, so name a response.topic, here or in the chart's defaults",
            )
        return self

    @model_validator(mode="after")
    def _replays_source_topics(self) -> "KafkaTriggerSpec":
        replayed = self.replay.partitions if self.replay else {}
        pattern = self.source.topic_pattern
        sources = matching(pattern, replayed) if pattern else self.source.topics
        refuse_unless(set(replayed) <= set(sources), self.RULES[6][1])
        return self

    @model_validator(mode="after")
    def _redrive_topic_is_free(self) -> "KafkaTriggerSpec":
        if self.source.group_id:
            redrive = f"{self.source.group_id}.redrive"
            refuse_unless(redrive not in self.source.topics, self.RULES[4][1])
            targets = (self.delivery.dead_letter.topic, self.response.topic if self.response else None)
            refuse_unless(redrive not in targets, self.RULES[5][1])
        return self

    @model_validator(mode="after")
    def _complete(self) -> "KafkaTriggerSpec":
        refuse_unless(
            bool(self.kafka.bootstrap_servers),
            "kafka.bootstrapServers is missing: name at least one broker as host:port, here or in the chart's defaults",
        )
        refuse_unless(
            self.tracing is None or not self.tracing.enabled or self.tracing.endpoint is not None,
            "tracing.endpoint is missing: name the OTLP receiver, here or in the chart's defaults, or remove tracing",
        )
        needed = seconds(self.delivery.timeout) + DRAIN_SECONDS
        refuse_unless(self.grace_period_seconds >= needed - 1, self.RULES[3][1])
        return self


class BlockedKeys(Model):
    """Keys that wait for a decision."""

    model_config = ConfigDict(extra="ignore")

    count: int = Field(description="How many. Which ones, `kafkatrigger blocked list` says: keys may be personal data.")


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
    blocked_keys: BlockedKeys | None = Field(
        default=None, description="Keys that wait for a decision; not there while there are none."
    )
    selector: str | None = Field(default=None, description="Label selector of the pods, for the scale subresource.")
    topics_text: str | None = Field(default=None, description="Source topics, for the printed column.")
    replay: ReplayStatus | None = Field(
        default=None, description="The last replay; at most 1,000 partitions can be moved by one."
    )
    lag: int | None = Field(
        default=None,
        description="Messages not yet terminal, written when Ready changes and every few minutes.",
    )
    partition_timestamps: dict[str, Annotated[dict[str, int], Field(max_length=1000)]] | None = Field(
        default=None,
        max_length=100,
        description="Topic -> partition -> epoch milliseconds of a message that was handled, close to the last, as of the last "
        "checkpoint. There once there is a checkpoint; without entries beyond 1,000 partitions.",
    )
