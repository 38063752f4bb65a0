"""Replay: consumed messages run again, or unconsumed ones are left out, by moving the group's offsets once for each nonce."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from kafkatrigger.api.moves import MOST_PARTITIONS
from kafkatrigger.api.schema import PARTITION_KEYS_RULE, START_RULE, Model, refuse_unless
from kafkatrigger.api.start_policy import epoch_milliseconds

Offset = Annotated[int, Field(ge=0)]
Phase = Literal["Stopping", "Moving", "CatchingUp", "Done", "Refused"]


class Replay(Model):
    """Where the group's offsets are to go, once."""

    RULES = (
        (
            "has(self.from) || (has(self.partitions) && size(self.partitions) > 0)",
            "replay says nowhere to start: set replay.from (earliest, latest or a time) or replay.partitions (offsets)",
        ),
        (
            "self.nonce != oldSelf.nonce || self == oldSelf",
            "replay changed and replay.nonce did not, so nothing would happen: give it another nonce",
        ),
    )

    nonce: str = Field(
        min_length=1,
        max_length=63,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.:+-]*[A-Za-z0-9])?$",
        description="Names this replay; a nonce that differs from the last one handled (status.replay.handledNonce) starts it.",
    )
    start: Annotated[
        int | str | None,
        Field(
            description="Where all partitions start again: earliest, latest, epoch milliseconds or an RFC 3339 time.",
            json_schema_extra={"x-kubernetes-int-or-string": True, "rules": [list(START_RULE)]},
        ),
    ] = Field(default=None, alias="from")
    partitions: dict[str, Annotated[dict[str, Offset], Field(max_length=MOST_PARTITIONS)]] = Field(
        default_factory=dict,
        max_length=100,
        description="Topic -> partition -> offset to start at. Wins over from; without from no other partition moves.",
        json_schema_extra={"rules": [list(PARTITION_KEYS_RULE)]},
    )

    @field_validator("start")
    @classmethod
    def _time(cls, value: int | str | None) -> int | str | None:
        if value not in (None, "earliest", "latest"):
            epoch_milliseconds(str(value))
        return value

    @model_validator(mode="after")
    def _goes_somewhere(self) -> "Replay":
        refuse_unless(self.start is not None or bool(self.partitions), self.RULES[0][1])
        numbers = [number for of_topic in self.partitions.values() for number in of_topic]
        refuse_unless(
            all(number.isascii() and number.isdigit() for number in numbers),
            f"replay.partitions: {PARTITION_KEYS_RULE[1]}",
        )
        return self


class ReplayedPartition(Model):
    """Where a partition was moved to."""

    model_config = ConfigDict(extra="ignore")

    start: int = Field(alias="from", description="The offset that it was moved to.")
    end: int = Field(alias="to", description="Where its log ended then; caught up when the group has committed it.")


class DroppedKeys(Model):
    """Keys whose failed message waited for a retry or a decision, and that a replay made forget."""

    model_config = ConfigDict(extra="ignore")

    count: int = Field(description="How many.")
    messages: list[str] = Field(description="Their failed messages, as topic-partition-offset; the first hundred.")


class ReplayStatus(Model):
    """How far a replay is."""

    model_config = ConfigDict(extra="ignore")

    nonce: str | None = Field(default=None, description="The replay that this speaks of.")
    handled_nonce: str | None = Field(
        default=None, description="The last one whose offsets were moved; it is never moved again."
    )
    phase: Phase | None = Field(default=None, description="How far it is.")
    message: str | None = Field(default=None, description="Why it was refused, and what to do.")
    partitions: dict[str, dict[str, ReplayedPartition]] | None = Field(
        default=None, description="Topic -> partition -> where it was moved to."
    )
    topic_ids: dict[str, str] | None = Field(
        default=None, description="Topic -> what tells it from one of the same name made later."
    )
    dropped: DroppedKeys | None = Field(default=None, description="Keys that waited and were made forget.")
