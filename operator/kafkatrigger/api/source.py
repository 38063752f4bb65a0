"""Where messages come from: the Kafka cluster and the topics."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from kafkatrigger.api.client_options import CLASSIC_ONLY, CONNECTION_OPTIONS, SOURCE_OPTIONS, Table
from kafkatrigger.api.schema import PARTITION_KEYS_RULE, START_RULE, Milliseconds, Model, TopicName, refuse_unless
from kafkatrigger.api.start_policy import epoch_milliseconds
from kafkatrigger.api.topic_pattern import GRAMMAR, SENTENCE, is_pattern


def _option_rules(table: Table) -> list[Any]:
    """Only known names, and each with a value that the client takes: anything else would end the pod at its start."""
    names = ", ".join(f"'{name}'" for name in sorted(table))
    ranges = {
        name: option for name, option in sorted(table.items()) if option.values and isinstance(option.values[0], int)
    }
    choices = {name: option for name, option in sorted(table.items()) if option.values and name not in ranges}
    rules = [[f"self.all(name, name in [{names}])", _only(table)]]
    for options, test in (
        (
            ranges,
            "self[name].matches('^[0-9]{1,10}$') && int(self[name]) >= %s[name][0] && int(self[name]) <= %s[name][1]",
        ),
        (choices, "self[name] in %s[name]"),
    ):
        if options:
            literal = (
                "{" + ", ".join(f"'{name}': {list(option.values or ())}" for name, option in options.items()) + "}"
            )
            rules.append([f"self.all(name, !(name in {literal}) || {test.replace('%s', literal)})", _values(options)])
    return rules


def _only(table: Table) -> str:
    return f"only these options may be set: {', '.join(sorted(table))}"


def _values(table: Table) -> str:
    return f"these options take: {', '.join(f'{name} {option.words}' for name, option in sorted(table.items()))}"


def _options_field(table: Table, what: str) -> Any:
    return Field(
        default_factory=dict,
        max_length=32,
        description=f"Tuning properties of librdkafka for {what}: {', '.join(sorted(table))}.",
        json_schema_extra={"rules": _option_rules(table)},
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


_BLANK = "source.filter is blank: write an expression, or remove it to run every message"

StartText = Annotated[
    int | str,
    Field(
        description="Where partitions without a committed offset start: earliest, latest, epoch milliseconds or an RFC 3339 time.",
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "rules": [list(START_RULE)],
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
            "!has(self.partitionTimestamps) || !has(self.topics) || self.partitionTimestamps.all(topic, topic in self.topics)",
            "source.partitionTimestamps names a topic that is not in source.topics: correct the name or add the topic",
        ),
        (
            "!has(self.options) || !self.options.exists(name, name in ['heartbeat.interval.ms', 'session.timeout.ms']) || "
            "(has(self.groupProtocol) && self.groupProtocol == 'Classic')",
            "source.options sets heartbeat.interval.ms or session.timeout.ms, which the broker decides unless "
            "source.groupProtocol is Classic: remove them or set it",
        ),
        (
            "has(self.topics) != has(self.topicPattern)",
            "source needs exactly one of topics and topicPattern: name the topics, or write a pattern that their names match",
        ),
    )

    topics: list[TopicName] = Field(
        default_factory=list,
        min_length=1,
        max_length=100,
        description="Topics to consume. Either this or topicPattern.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    topic_pattern: str | None = Field(
        default=None,
        min_length=1,
        max_length=249,
        description="Regular expression; all topics whose whole name it matches are consumed, those made later too, and never "
        "one whose name begins with two underscores. Either this or topics.",
        json_schema_extra={
            "rules": [[f"self.matches(r'{GRAMMAR}') && ''.matches('^(' + self + ')$') in [true, false]", SENTENCE]]
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
        json_schema_extra={"rules": [list(PARTITION_KEYS_RULE)]},
    )
    filter: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="CEL expression on value, key, headers, topic, partition, offset and timestamp; a message for which it is "
        "false is not run. One for which it fails has failed.",
        json_schema_extra={"rules": [["self.matches('[^\\\\s]')", _BLANK]]},
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

    @field_validator("topic_pattern")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        refuse_unless(value is None or is_pattern(value), SENTENCE)
        return value

    @field_validator("filter")
    @classmethod
    def _filter(cls, value: str | None) -> str | None:
        refuse_unless(value is None or bool(value.strip()), _BLANK)
        return value

    @field_validator("initial_offset_reset_policy")
    @classmethod
    def _start(cls, value: int | str) -> int | str:
        if value not in ("earliest", "latest"):
            epoch_milliseconds(str(value))
        return value

    @model_validator(mode="after")
    def _either_way(self) -> "Source":
        refuse_unless(bool(self.topics) != bool(self.topic_pattern), self.RULES[3][1])
        return self

    @model_validator(mode="after")
    def _options_of_protocol(self) -> "Source":
        refuse_unless(self.group_protocol == "Classic" or not set(CLASSIC_ONLY) & set(self.options), self.RULES[2][1])
        return self

    @model_validator(mode="after")
    def _timestamps_of_topics(self) -> "Source":
        refuse_unless(not self.topics or set(self.partition_timestamps) <= set(self.topics), self.RULES[1][1])
        partitions = [number for of_topic in self.partition_timestamps.values() for number in of_topic]
        refuse_unless(
            all(number.isdigit() for number in partitions),
            "source.partitionTimestamps: the keys below a topic are partition numbers",
        )
        return self


def _allowed(options: dict[str, str], table: Table) -> dict[str, str]:
    refuse_unless(set(options) <= set(table), _only(table))
    wrong = {name: table[name] for name, value in options.items() if not table[name].allows(value)}
    refuse_unless(not wrong, _values(wrong))
    return options
