"""What runs for every message: a function, a Transformation with its wiring, or what each message asks for."""

from typing import Annotated, Any, Literal

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import ConfigDict, Field, field_validator, model_validator

from kafkatrigger.api.schema import KubernetesObject, Model, ObjectName, TopicName, refuse_unless

KAFKA_ADAPTER = "kafka"
"""In wirings the message itself, in hetida designer's form."""
REQUESTABLE = {"kafkatrigger.dev/requestable": "true"}
"""Labels of the Transformations that may be requested where a trigger does not say which."""

_TAKEN = (KAFKA_ADAPTER, "direct_provisioning")
_NAME = r"^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$"

_Connector = Annotated[str, Field(min_length=1, max_length=253)]
_AdapterName = Annotated[str, Field(pattern=_NAME, max_length=63)]
_Reference = Annotated[str | None, Field(max_length=1024)]


def _by_name(description: str, most: int) -> Any:
    """A list whose items have names of their own."""
    return Field(
        default_factory=list,
        max_length=most,
        description=description,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


def _refuse_twice(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    refuse_unless(not twice, f"{what} has {', '.join(twice)} more than once: a name may be there once")


class Reference(Model):
    """A Transformation of the trigger's namespace."""

    name: ObjectName = Field(description="Name of the Transformation, in the trigger's namespace.")
    version_tag: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="Version tag that it has to have; without it any will do.",
    )


class Wired(Model):
    """What is said of an input or output that an adapter is for."""

    name: _Connector = Field(description="Name of the transformation's input or output.")
    adapter: _AdapterName | None = Field(default=None, description="Name of an adapter.")
    ref_id: _Reference = Field(default=None, description="For the adapter: what it loads or where it sends.")
    ref_id_type: Literal["SOURCE", "SINK", "THINGNODE"] | None = Field(
        default=None, description="For the adapter: what refId names."
    )
    ref_key: _Reference = Field(default=None, description="For the adapter: which of the metadata of refId.")
    type: str | None = Field(
        default=None, max_length=63, description="For the adapter: what is loaded or sent, such as timeseries(float)."
    )
    filters: dict[str, Annotated[str, Field(max_length=4096)]] = Field(
        default_factory=dict, max_length=32, description="For the adapter: which part of it, such as from and to."
    )


class InputWiring(Wired):
    """Where an input's value comes from: exactly one of from, value, useDefault and adapter."""

    RULES = (
        (
            "[has(self.from), has(self.useDefault), has(self.adapter)].filter(x, x).size() <= 1",
            "an input has exactly one of from, value, useDefault and adapter: remove the others",
        ),
        (
            "has(self.adapter) || !(has(self.refId) || has(self.refIdType) || has(self.refKey) || has(self.type) "
            "|| has(self.filters))",
            "refId, refIdType, refKey, type and filters are for an adapter: name it, or remove them",
        ),
    )
    # CEL cannot see a field of any type.
    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [way]} for way in ("from", "value", "useDefault", "adapter")]}
    )

    expression: str | None = Field(
        default=None,
        alias="from",
        min_length=1,
        max_length=1024,
        description="JMESPath expression into value, key, headers, topic, partition, offset and timestamp (milliseconds since "
        "the epoch) of the message.",
    )
    value: Any = Field(
        default=None,
        description="A constant: any JSON, the same for every message.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True, "nullable": True},
    )
    use_default: Literal[True] | None = Field(default=None, description="The input's own default.")

    @field_validator("expression")
    @classmethod
    def _is_jmespath(cls, value: str | None) -> str | None:
        try:
            jmespath.compile(value or "@")
        except JMESPathError as error:
            raise ValueError(f"{value!r} is no JMESPath: {str(error).splitlines()[0]}") from None
        return value

    @property
    def has_value(self) -> bool:
        """Whether there is a constant; null is one."""
        return "value" in self.model_fields_set

    @model_validator(mode="after")
    def _one_way(self) -> "InputWiring":
        ways = (self.expression is not None, self.has_value, self.use_default is not None, self.adapter is not None)
        refuse_unless(sum(ways) == 1, self.RULES[0][1])
        _refuse_lost_words(self, self.RULES[1][1])
        return self


class OutputWiring(Wired):
    """Where an output goes: to a topic, to an adapter, or, where neither is said, into the response."""

    RULES = (
        (
            "!(has(self.topic) && has(self.adapter))",
            "an output goes to a topic or to an adapter: remove one of them",
        ),
        (
            "!has(self.adapter) || self.adapter != 'kafka'",
            "an output goes to Kafka by its field topic: write topic instead of the adapter kafka",
        ),
        (
            "has(self.adapter) || !(has(self.refId) || has(self.refIdType) || has(self.refKey) || has(self.type) "
            "|| has(self.filters))",
            "refId, refIdType, refKey, type and filters are for an adapter: name it, or remove them",
        ),
    )

    topic: TopicName | None = Field(
        default=None,
        description="Topic that the output is written to, under the message's key, in hetida designer's form.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> "OutputWiring":
        refuse_unless(self.topic is None or self.adapter is None, self.RULES[0][1])
        refuse_unless(self.adapter != KAFKA_ADAPTER, self.RULES[1][1])
        _refuse_lost_words(self, self.RULES[2][1])
        return self


def _refuse_lost_words(wired: Wired, sentence: str) -> None:
    words = (wired.ref_id, wired.ref_id_type, wired.ref_key, wired.type)
    refuse_unless(wired.adapter is not None or not (any(word is not None for word in words) or wired.filters), sentence)


class Wiring(Model):
    """Where the values of inputs come from, and where outputs go."""

    inputs: list[InputWiring] = _by_name("Inputs; those that are not named have their defaults.", 100)
    outputs: list[OutputWiring] = _by_name("Outputs; those that are not named are in the response.", 100)

    @property
    def topics(self) -> list[str]:
        """That outputs go to, each once."""
        return list(dict.fromkeys(each.topic for each in self.outputs if each.topic))

    @model_validator(mode="after")
    def _names(self) -> "Wiring":
        _refuse_twice("transformation.wiring.inputs", [each.name for each in self.inputs])
        _refuse_twice("transformation.wiring.outputs", [each.name for each in self.outputs])
        return self


class Selector(Model):
    """Transformations, by their labels."""

    match_labels: dict[str, Annotated[str, Field(max_length=63)]] = Field(
        default_factory=dict, max_length=16, description="Labels that they have; none at all are those of all of them."
    )


class Request(Model):
    """Messages are requests: each says what runs, and is answered."""

    form: Literal["Execute", "WorkflowExecution06"] = Field(
        alias="schema",
        description="Form of the requests. Execute: that of hetida designer from 0.7 on. WorkflowExecution06: that of 0.6 and "
        "older.",
    )
    selector: Selector | None = Field(
        default=None,
        description="Transformations of the namespace that may be requested; by default those with the label "
        'kafkatrigger.dev/requestable: "true". What a workflow is made of needs no label.',
    )
    topics: list[TopicName] = Field(
        default_factory=list,
        max_length=100,
        description="Topics that requests may have outputs written to.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class AdapterSecret(Model):
    """A Secret of the trigger's namespace."""

    name: ObjectName = Field(description="Its name.")


class Adapter(Model):
    """A connection by which inputs are loaded and outputs are sent."""

    name: Annotated[
        _AdapterName,
        Field(
            description="What wirings call it.",
            json_schema_extra={
                "rules": [
                    [
                        "!(self in ['kafka', 'direct_provisioning'])",
                        "kafka and direct_provisioning are always there: choose another name",
                    ]
                ]
            },
        ),
    ]
    type: Annotated[str, Field(pattern=_NAME, max_length=63)] = Field(
        description="Which kind of adapter, such as sql; the runtime's image has to have it."
    )
    secret: AdapterSecret | None = Field(
        default=None,
        description="Secret with its credentials, in the trigger's namespace; each key is a file in the runtime container.",
    )
    options: KubernetesObject = Field(default_factory=dict, description="Its options; which ones, its type says.")

    @model_validator(mode="after")
    def _free_name(self) -> "Adapter":
        refuse_unless(
            self.name not in _TAKEN,
            "kafka and direct_provisioning are always there: choose another name for the adapter",
        )
        return self


class Transformation(Model):
    """What runs for every message: exactly one of function, ref and request."""

    RULES = (
        (
            "[has(self.function), has(self.ref), has(self.request)].filter(x, x).size() == 1",
            "transformation needs exactly one of function, ref and request: name a function of the runtime's image or a "
            "Transformation that runs for every message, or say which form requests have",
        ),
        (
            "!has(self.wiring) || has(self.ref)",
            "transformation.wiring is for transformation.ref: a function is given the message, and a request has a wiring of "
            "its own; remove it",
        ),
        (
            "!has(self.adapters) || has(self.ref) || has(self.request)",
            "transformation.adapters are for transformation.ref and transformation.request: remove them",
        ),
    )

    function: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$",
        max_length=253,
        description="Python function of the runtime image, as module:function.",
    )
    ref: Reference | None = Field(default=None, description="A Transformation that runs for every message.")
    request: Request | None = Field(default=None, description="Messages are requests, which say what runs.")
    wiring: Wiring | None = Field(default=None, description="What the inputs of ref are, and where its outputs go.")
    adapters: list[Adapter] = _by_name("Connections that wirings may name; no message can reach another one.", 16)

    @property
    def needs_transformations(self) -> bool:
        """Whether pods read Transformations; a function needs none."""
        return self.function is None

    @property
    def secrets(self) -> list[str]:
        """Secrets of adapters, each once."""
        return list(dict.fromkeys(each.secret.name for each in self.adapters if each.secret))

    @property
    def topics(self) -> list[str]:
        """That outputs may be written to, beside the response."""
        if self.request:
            return self.request.topics
        return self.wiring.topics if self.wiring else []

    @model_validator(mode="after")
    def _one_of(self) -> "Transformation":
        ways = (self.function, self.ref, self.request)
        refuse_unless(sum(way is not None for way in ways) == 1, self.RULES[0][1])
        refuse_unless(self.wiring is None or self.ref is not None, self.RULES[1][1])
        refuse_unless(not self.adapters or self.function is None, self.RULES[2][1])
        return self

    @model_validator(mode="after")
    def _adapters_are_there(self) -> "Transformation":
        _refuse_twice("transformation.adapters", [each.name for each in self.adapters])
        known = {KAFKA_ADAPTER, *(each.name for each in self.adapters)}
        wired = [*self.wiring.inputs, *self.wiring.outputs] if self.wiring else []
        missing = sorted({each.adapter for each in wired if each.adapter} - known)
        refuse_unless(
            not missing,
            f"transformation.wiring names adapters that are not there: {', '.join(missing)}. Add them to "
            "transformation.adapters, here or in the chart's defaults, or correct the name",
        )
        return self
