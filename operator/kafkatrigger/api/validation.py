"""What a trigger means with defaults under it, or why it cannot be accepted, in sentences. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kafkatrigger.api.configure import consumer_config
from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.api.topic_pattern import matching

_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_UNION_BRANCHES = ("int", "str")


@dataclass(frozen=True)
class Accepted:
    """A spec to run, and what its consumers are told."""

    spec: KafkaTriggerSpec
    config: ConsumerConfig


@dataclass(frozen=True)
class Refused:
    """A spec that cannot run, with a sentence for each thing that is wrong."""

    message: str


def accept(
    namespace: str, name: str, spec: object, defaults: Mapping[str, Any], group_id_prefix: str = ""
) -> Accepted | Refused:
    """The trigger's spec over the defaults, or why not. Takes whatever is stored: it may predate today's schema."""
    if not isinstance(spec, Mapping):
        return Refused("spec: missing (`kubectl explain kafkatrigger.spec` says what belongs there)")
    try:
        parsed = KafkaTriggerSpec.model_validate(merged(defaults, spec))
    except ValidationError as error:
        return Refused("; ".join(dict.fromkeys(_sentence(each) for each in error.errors())))
    config = consumer_config(namespace, name, parsed, group_id_prefix)
    problem = _dead_letter_problem(config) or _redrive_problem(config) or _pattern_problem(config)
    return Refused(problem) if problem else Accepted(parsed, config)


def merged(defaults: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """`spec` over `defaults`: maps are merged, lists and scalars replaced."""
    result = dict(defaults)
    for name, value in spec.items():
        below = result.get(name)
        result[name] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def _sentence(error: Any) -> str:
    """One problem as `spec.field: what is wrong`."""
    path = [str(part) for part in error["loc"] if part not in _UNION_BRANCHES]
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        text = "unknown field (`kubectl explain kafkatrigger.spec` lists them)"
    elif error["type"] == "missing":
        text = "missing, here and in the chart's defaults"
    return f"{'.'.join(['spec', *path])}: {text}"


def _dead_letter_problem(config: ConsumerConfig) -> str:
    """What only shows once the dead-letter topic's default name is known."""
    topic = config.dead_letter.topic
    if not _TOPIC.fullmatch(topic):
        return f"spec.delivery.deadLetter.topic: its default {topic!r} is no name for a topic: set it"
    if topic in config.topics:
        return f"spec.delivery.deadLetter.topic: its default {topic} is also a source topic: set another"
    if config.response and topic == config.response.topic:
        return f"spec.delivery.deadLetter.topic: its default {topic} is also the response topic: set another"
    if topic in _outputs(config):
        return f"spec.delivery.deadLetter.topic: {topic} is also a topic of outputs: set another"
    return ""


def _outputs(config: ConsumerConfig) -> list[str]:
    return [each.topic for each in config.output_topics]


def _redrive_problem(config: ConsumerConfig) -> str:
    """The same of the topic that dead letters are copied to when they are to run again."""
    uses = {
        "spec.source.topics": config.topics,
        "spec.response.topic": [config.response.topic] if config.response else [],
        "spec.delivery.deadLetter.topic": [config.dead_letter.topic],
        "spec.transformation": _outputs(config),
    }
    field = next((field for field, topics in uses.items() if config.redrive_topic in topics), "")
    if not field:
        return ""
    return f"{field}: {config.redrive_topic} is the topic of this trigger's messages that are to run again: use another"


def _pattern_problem(config: ConsumerConfig) -> str:
    """A pattern must not bring back what the trigger itself has written."""
    own = {config.response.topic: "response"} if config.response else {}
    own |= {config.dead_letter.topic: "dead-letter", config.redrive_topic: "redrive"}
    own |= dict.fromkeys(_outputs(config), "output")
    topic = next(iter(matching(config.topic_pattern, own)), "") if config.topic_pattern else ""
    if not topic:
        return ""
    return (
        f"spec.source.topicPattern: it matches the trigger's own {own[topic]} topic {topic}, whose messages would trigger it "
        "again: write a pattern that leaves it out, or use another topic"
    )
