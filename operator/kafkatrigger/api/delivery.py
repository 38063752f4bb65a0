"""How messages are delivered, what becomes of those that fail, and where results go."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from kafkatrigger.api.quantities import quantity_bytes, seconds
from kafkatrigger.api.schema import Duration, Model, Quantity, TopicName, refuse_unless

_TIMEOUT = "delivery.timeout lies between 100ms and 1h"
_RATIO = "delivery.breaker.failureRatio is less than 1, or nothing could exceed it: lower it, or set breaker.enabled to false"
_MAX_BYTES = "response.maxBytes lies between 1k and 1G"
_WINDOW = "delivery.breaker.window lies between 1s and 1h"

MAX_BYTES = "10Mi"
"""Of what is written to one of a trigger's topics, where nothing is said."""


def _one_rule(expression: str, sentence: str) -> Any:
    return Field(json_schema_extra={"rules": [[expression, sentence]]})


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
        refuse_unless(seconds(self.max_delay) >= seconds(self.initial_delay), self.RULES[0][1])
        return self


class DeadLetter(Model):
    """Where messages go whose attempts are used up."""

    topic: TopicName | None = Field(
        default=None, description="Topic of dead letters; the default is the group with .dlq appended."
    )
    create: bool = Field(default=True, description="Create the topic when it is missing.")


class Breaker(Model):
    """Stops a broken transformation from pouring a topic into the dead letters."""

    enabled: bool = Field(default=True, description="Whether many failures stop the dispatch.")
    window: Annotated[
        Duration, _one_rule("duration(self) >= duration('1s') && duration(self) <= duration('1h')", _WINDOW)
    ] = Field(default="30s", description="How far failures are looked back upon.")
    minimum_messages: int = Field(
        default=100, ge=1, le=1_000_000, description="Messages that have to have ended within the window."
    )
    minimum_keys: int = Field(
        default=10, ge=1, le=10_000, description="Keys that have to have failed: one poisoned key is no breakdown."
    )
    failure_ratio: Annotated[float, _one_rule("self < 1.0", _RATIO)] = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the messages in the window that fail for good, above which it stops.",
    )

    @field_validator("window")
    @classmethod
    def _window(cls, value: str) -> str:
        refuse_unless(1 <= seconds(value) <= 3600, _WINDOW)
        return value

    @field_validator("failure_ratio")
    @classmethod
    def _ratio(cls, value: float) -> float:
        refuse_unless(value < 1, _RATIO)
        return value


class Delivery(Model):
    """How messages are delivered to the transformation."""

    guarantee: Literal["AtLeastOnce", "ExactlyOnce"] = Field(
        default="AtLeastOnce",
        description="AtLeastOnce: a message may be answered twice after a crash. ExactlyOnce: responses, dead letters and "
        "offsets are written in Kafka transactions.",
    )
    ordering: Literal["Key", "Partition", "Unordered"] = Field(
        default="Key", description="What keeps its order: the messages of a key, those of a partition, or nothing."
    )
    max_in_flight: int = Field(
        default=5000, ge=1, le=1_000_000, description="Messages of a pod handed to its runtime and not yet answered."
    )
    max_buffered_bytes: Quantity = Field(default="64Mi", description="Bytes of messages and results that a pod holds.")
    timeout: Annotated[
        Duration, _one_rule("duration(self) >= duration('100ms') && duration(self) <= duration('1h')", _TIMEOUT)
    ] = Field(default="30s", description="Longest run of one attempt.")
    retry: Retry = Field(default_factory=Retry, description="Retry of failed messages.")
    on_failure: Literal["DeadLetter", "Block", "Skip", "Stop"] = Field(
        default="DeadLetter",
        description="What becomes of a message whose attempts are used up. DeadLetter: it goes to the dead-letter topic. "
        "Block: its key waits until somebody decides. Skip: it is dropped with a log line and a count. "
        "Stop: the whole trigger stops until somebody resumes it.",
    )
    breaker: Breaker = Field(default_factory=Breaker, description="When dispatch stops because too much fails.")
    dead_letter: DeadLetter = Field(default_factory=DeadLetter, description="The dead-letter topic.")

    @field_validator("timeout")
    @classmethod
    def _timeout(cls, value: str) -> str:
        refuse_unless(0.1 <= seconds(value) <= 3600, _TIMEOUT)
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
    max_bytes: Annotated[
        Quantity,
        _one_rule(
            "quantity(self).compareTo(quantity('1k')) >= 0 && quantity(self).compareTo(quantity('1G')) <= 0", _MAX_BYTES
        ),
    ] = Field(
        default=MAX_BYTES,
        description="Largest record that topics made by the trigger take. A topic that was there before "
        "keeps its own limit (max.message.bytes).",
    )

    @field_validator("max_bytes")
    @classmethod
    def _limit(cls, value: str) -> str:
        refuse_unless(1000 <= quantity_bytes(value) <= 10**9, _MAX_BYTES)
        return value
