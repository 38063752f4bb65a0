"""What consumers and runtimes have to know where transformations run, and not a function.

Revisions themselves are bytes here: the JSON of a Transformation's `spec`, which the runtime alone reads.
"""

from typing import Any, Literal

import msgspec

from kafkatrigger.api.adapters import AdapterSettings

Mode = Literal["Stream", "Execute", "WorkflowExecution06"]
"""Stream: one transformation runs for every message. The others: the message says what runs, in this schema."""


class Wired(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """An input or output, and the adapter that it comes from or goes to; empty where there is none."""

    name: str
    adapter: str = ""
    ref_id: str | None = None
    ref_id_type: str | None = None
    ref_key: str | None = None
    type: str | None = None
    filters: dict[str, str | None] = {}


class WiredInput(Wired, frozen=True, kw_only=True):
    """Has one of these: an adapter, an expression, a value, or its default."""

    expression: str = ""
    """JMESPath into value, key, headers, topic, partition, offset and timestamp of the message."""
    value: Any = msgspec.UNSET
    use_default: bool = False


class WiredOutput(Wired, frozen=True, kw_only=True):
    """Without an adapter or topic it is in the response."""

    topic: str = ""


class Transforming(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """How the transformations of a trigger run."""

    mode: Mode
    ref: str = ""
    """Name of the Transformation that runs for every message."""
    version_tag: str = ""
    """What its revision has to be tagged, where this is said."""
    selector: dict[str, str] = {}
    """Labels of the Transformations that may be requested."""
    inputs: tuple[WiredInput, ...] = ()
    outputs: tuple[WiredOutput, ...] = ()
    topics: tuple[str, ...] = ()
    """That outputs may be written to, beside the response."""
    adapters: tuple[AdapterSettings, ...] = ()

    @property
    def is_request(self) -> bool:
        """Whether messages are requests: each is answered, whatever it is."""
        return self.mode != "Stream"
