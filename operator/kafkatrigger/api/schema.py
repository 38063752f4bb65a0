"""What the models of custom resources are made of: their base, the types of their fields, rules between fields."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from kafkatrigger.api.quantities import BYTES_PATTERN, DURATION_PATTERN

Rule = tuple[str, str]
"""A CEL expression and the sentence shown where it is false."""

OBJECT: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
"""Schema of a core Kubernetes type: the API server checks it when the pod is made."""

START_RULE: Rule = (
    "type(self) == int ? self >= 0 : "
    "(self in ['earliest','latest'] || timestamp(self) >= timestamp('1970-01-01T00:00:00Z'))",
    "write earliest, latest, epoch milliseconds (not negative) or an RFC 3339 time with its zone",
)
PARTITION_KEYS_RULE: Rule = (
    "self.all(topic, self[topic].all(p, size(p) <= 6 && p.matches('^(0|[1-9][0-9]*)$')))",
    'the keys below a topic are partition numbers, written as text such as "0"',
)

_NO_TOPIC = "Kafka allows no topic named . or .."


def refuse_unless(holds: bool, sentence: str) -> None:
    """For validators: the same sentence as the CEL rule's."""
    if not holds:
        raise ValueError(sentence)


def _topic(name: str) -> str:
    refuse_unless(name not in (".", ".."), _NO_TOPIC)
    return name


TopicName = Annotated[
    str,
    Field(
        pattern=r"^[a-zA-Z0-9._-]+$",
        min_length=1,
        max_length=249,
        json_schema_extra={"rules": [["!(self in ['.', '..'])", _NO_TOPIC]]},
    ),
    AfterValidator(_topic),
]
ObjectName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253)
]
"""Of an object in Kubernetes."""
Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]
Quantity = Annotated[str, Field(pattern=BYTES_PATTERN, max_length=20)]
Milliseconds = Annotated[int, Field(ge=0, le=253402300799999)]
KubernetesObject = Annotated[dict[str, Any], Field(json_schema_extra=OBJECT)]


class Model(BaseModel):
    """Base of every part of a resource: camelCase outside, unknown fields refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)
    RULES: ClassVar[tuple[Rule, ...]] = ()
