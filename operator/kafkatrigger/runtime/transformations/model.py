"""A revision of a transformation, as the `spec` of the custom resource Transformation has it.

Links name the inputs and outputs of operators by their names; an end without an operator is an input or output of the
workflow itself. So a workflow can be written by hand, and connectors need no ids.
"""

import enum
from typing import Any, Literal

import msgspec

from kafkatrigger.runtime.transformations.problems import InvalidTransformation
from kafkatrigger.runtime.transformations.wiring import Wiring

API_VERSION = "kafkatrigger.dev/v1alpha1"
KIND = "Transformation"


class DataType(enum.StrEnum):
    """Types of inputs and outputs."""

    INT = "INT"
    FLOAT = "FLOAT"
    STRING = "STRING"
    BOOLEAN = "BOOLEAN"
    ANY = "ANY"
    SERIES = "SERIES"
    DATAFRAME = "DATAFRAME"
    MULTITSFRAME = "MULTITSFRAME"
    SINGLETSFRAME = "SINGLETSFRAME"
    PLOTLYJSON = "PLOTLYJSON"

    def accepts(self, other: "DataType") -> bool:
        """Whether a value of the other type may go to an input of this one."""
        return self is other or DataType.ANY in (self, other)


State = Literal["Draft", "Released", "Disabled"]


class _Part(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """camelCase outside, unknown fields refused."""


class Input(_Part, frozen=True):
    """An input, which is optional where it has a default; null is one."""

    name: str
    type: DataType
    default: Any = msgspec.UNSET

    @property
    def is_optional(self) -> bool:
        """Whether it may be left out, and be null."""
        return self.default is not msgspec.UNSET


class Output(_Part, frozen=True):
    """An output."""

    name: str
    type: DataType


class Operator(_Part, frozen=True):
    """A transformation at work in a workflow."""

    id: str
    name: str
    transformation_id: str


class End(_Part, frozen=True):
    """An output or input of an operator, or of the workflow itself."""

    name: str
    operator: str = ""
    """The operator's id."""


class Link(_Part, frozen=True):
    """Where a value goes."""

    start: End
    end: End


class Constant(_Part, frozen=True):
    """A value for an input of an operator."""

    end: End
    value: Any


class Component(_Part, frozen=True):
    """Python code with a function `main`."""

    code: str


class Workflow(_Part, frozen=True):
    """Operators and how they are linked."""

    operators: tuple[Operator, ...] = ()
    links: tuple[Link, ...] = ()
    constants: tuple[Constant, ...] = ()


class Revision(_Part, frozen=True):
    """One revision of a component or workflow."""

    id: str
    revision_group_id: str
    name: str
    version_tag: str
    state: State = "Draft"
    category: str = ""
    description: str = ""
    documentation: str = ""
    released_timestamp: str | None = None
    disabled_timestamp: str | None = None
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    component: Component | None = None
    workflow: Workflow | None = None
    test_wiring: Wiring = msgspec.field(default_factory=Wiring)

    def __post_init__(self) -> None:
        if (self.component is None) == (self.workflow is None):
            raise ValueError("a transformation has either component or workflow")
        for part, names in (("inputs", self.inputs), ("outputs", self.outputs)):
            if len({each.name for each in names}) < len(names):
                raise ValueError(f"{part} have a name twice")

    @property
    def title(self) -> str:
        """For sentences: its name and version tag."""
        return f"{self.name!r} ({self.version_tag})"

    @property
    def is_pure_plot(self) -> bool:
        """Whether it makes plots and nothing else."""
        return bool(self.outputs) and all(each.type is DataType.PLOTLYJSON for each in self.outputs)


def from_json(spec: bytes) -> Revision:
    """The revision whose `spec` this is; InvalidTransformation that names the field."""
    try:
        return msgspec.json.decode(spec, type=Revision)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidTransformation(str(error)) from None


def from_manifest(manifest: object, where: str) -> Revision:
    """The revision of a custom resource; InvalidTransformation that names the field."""
    if not isinstance(manifest, dict) or (manifest.get("apiVersion"), manifest.get("kind")) != (API_VERSION, KIND):
        raise InvalidTransformation(f"{where}: it is no {KIND} of {API_VERSION}: correct apiVersion and kind")
    try:
        return msgspec.convert(manifest.get("spec"), Revision)
    except msgspec.ValidationError as error:
        raise InvalidTransformation(f"{where}: spec: {error}") from None


def to_manifest(revision: Revision, name: str) -> dict[str, Any]:
    """The custom resource of this name."""
    spec = msgspec.to_builtins(revision)
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
