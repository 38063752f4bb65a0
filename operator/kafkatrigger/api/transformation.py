"""The custom resource Transformation: one revision of a component or workflow.

The runtime reads it with a model of its own, since it carries no pydantic (`kafkatrigger.runtime.transformations.model`);
this one is where the definition comes from, and a test holds the two together. What needs the revision as a whole, such as
that a workflow has no cycle, the runtime says.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from kafkatrigger.api.schema import KubernetesObject, Model, refuse_unless

TRANSFORMATION_KIND = "Transformation"
TRANSFORMATION_PLURAL = "transformations"

DataType = Literal[
    "INT", "FLOAT", "STRING", "BOOLEAN", "ANY", "SERIES", "DATAFRAME", "MULTITSFRAME", "SINGLETSFRAME", "PLOTLYJSON"
]

_ANY_JSON: Any = {"x-kubernetes-preserve-unknown-fields": True, "nullable": True}
_BY_NAME: Any = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
_AS_A_WHOLE: Any = {"x-kubernetes-list-type": "atomic"}
_FIXED = (
    "a revision that is released stays as it is, but for state, category, description, documentation and testWiring: make "
    "another revision of the same revisionGroupId"
)


def _fixed(field: str, *, optional: bool = True) -> tuple[str, str]:
    """From Released on the field stays what it was, also where it was not there."""
    same = f"self.{field} == oldSelf.{field}"
    if optional:
        same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})"
    return f"oldSelf.state == 'Draft' || ({same})", _FIXED


def _identity(description: str, sentence: str) -> Any:
    return Field(
        pattern="^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        max_length=36,
        description=description,
        json_schema_extra={"rules": [["self == oldSelf", sentence]]},
    )


Name = Annotated[str, Field(min_length=1, max_length=253)]


class _Part(Model):
    """Takes no text for a number, as the runtime and the API server do not."""

    model_config = ConfigDict(strict=True)


class Input(_Part):
    """An input."""

    name: Name = Field(description="Its name, which main has for a parameter.")
    type: DataType = Field(description="Its type.")
    default: Any = Field(
        default=None,
        description="Its value where it is not wired: any JSON, null too. Without it the input is required.",
        json_schema_extra=_ANY_JSON,
    )


class Output(_Part):
    """An output."""

    name: Name = Field(description="Its name.")
    type: DataType = Field(description="Its type.")


class Component(_Part):
    """Python code."""

    code: str = Field(max_length=1_400_000, description="A Python module with a function main.")


class Operator(_Part):
    """A transformation at work in a workflow."""

    id: Name = Field(description="What links and constants call it.")
    name: Name = Field(description="What people call it.")
    transformation_id: Name = Field(description="The id of the Transformation, of the same namespace.")


class End(_Part):
    """An output or input of an operator, or of the workflow itself."""

    name: Name = Field(description="Name of the input or output.")
    operator: str = Field(
        default="", max_length=253, description="Id of the operator; without it the workflow's own input or output."
    )


class Link(_Part):
    """Where a value goes."""

    start: End = Field(description="Where it comes from.")
    end: End = Field(description="Where it goes.")


class Constant(_Part):
    """A value for an input of an operator."""

    end: End = Field(description="Where it goes.")
    value: Any = Field(description="The value: any JSON, null too.", json_schema_extra=_ANY_JSON)


class Workflow(_Part):
    """Operators and how they are linked."""

    operators: list[Operator] = Field(
        default_factory=list, max_length=1000, description="Transformations at work.", json_schema_extra=_AS_A_WHOLE
    )
    links: list[Link] = Field(
        default_factory=list, max_length=5000, description="Where values go.", json_schema_extra=_AS_A_WHOLE
    )
    constants: list[Constant] = Field(
        default_factory=list, max_length=1000, description="Values of inputs.", json_schema_extra=_AS_A_WHOLE
    )


class _TestWired(_Part):
    adapter_id: Annotated[int | str, Field(json_schema_extra={"x-kubernetes-int-or-string": True})] = Field(
        default="direct_provisioning", description="The adapter."
    )
    ref_id: str | None = Field(default=None, description="For the adapter: what it loads or where it sends.")
    ref_id_type: str | None = Field(default=None, description="For the adapter: what refId names.")
    ref_key: str | None = Field(default=None, description="For the adapter: which of the metadata of refId.")
    type: str | None = Field(default=None, description="For the adapter: what is loaded or sent.")
    filters: dict[str, str | None] = Field(
        default_factory=dict,
        description="For the adapter; value is the value itself with direct_provisioning, as text that holds JSON.",
        json_schema_extra={"values": {"type": "string", "nullable": True}},
    )


class TestInput(_TestWired):
    """Where an input's value comes from."""

    workflow_input_name: str = Field(description="Name of the input.")
    use_default_value: bool = Field(default=False, description="The input's own default.")


class TestOutput(_TestWired):
    """Where an output goes."""

    workflow_output_name: str = Field(description="Name of the output.")


class TestWiring(_Part):
    """hetida designer's form of a wiring, in camelCase."""

    input_wirings: list[TestInput] = Field(
        default_factory=list, description="Inputs; the others have their defaults.", json_schema_extra=_AS_A_WHOLE
    )
    output_wirings: list[TestOutput] = Field(
        default_factory=list, description="Outputs; the others are in the response.", json_schema_extra=_AS_A_WHOLE
    )
    dashboard_positionings: list[KubernetesObject] = Field(
        default_factory=list, description="Kept for hetida designer.", json_schema_extra=_AS_A_WHOLE
    )


class TransformationSpec(_Part):
    """One revision of a component or workflow."""

    RULES = (
        ("has(self.component) != has(self.workflow)", "a transformation has either component or workflow"),
        _fixed("name", optional=False),
        _fixed("versionTag", optional=False),
        _fixed("releasedTimestamp"),
        _fixed("inputs"),
        _fixed("outputs"),
        _fixed("component"),
        _fixed("workflow"),
    )

    id: str = _identity(
        "UUID of this revision: by it requests and workflows name it.",
        "id cannot change, since requests and workflows name the revision by it: make another Transformation",
    )
    revision_group_id: str = _identity(
        "UUID that all revisions have in common.",
        "revisionGroupId cannot change: make another Transformation",
    )
    name: Name = Field(description="Its name, for people.")
    version_tag: Name = Field(description="Which revision it is, such as 1.0.0.")
    state: Annotated[
        Literal["Draft", "Released", "Disabled"],
        Field(
            json_schema_extra={
                "rules": [
                    [
                        "self == oldSelf || (oldSelf == 'Draft' && self == 'Released') || "
                        "(oldSelf == 'Released' && self == 'Disabled')",
                        "state goes from Draft to Released to Disabled, and never back",
                    ]
                ]
            }
        ),
    ] = Field(
        default="Draft",
        description="Draft: it may change. Released: it stays as it is. Disabled: triggers that begin with it are refused.",
    )
    category: str = Field(default="", max_length=253, description="For people, to find it.")
    description: str = Field(default="", description="In a sentence.")
    documentation: str = Field(default="", description="In Markdown.")
    released_timestamp: str | None = Field(
        default=None,
        max_length=64,
        description="When it was released, as an RFC 3339 time. Of the released revisions of a group the one with the latest is "
        "the group's latest.",
    )
    disabled_timestamp: str | None = Field(
        default=None, max_length=64, description="When it was disabled, as an RFC 3339 time."
    )
    inputs: list[Input] = Field(default_factory=list, max_length=200, description="Inputs.", json_schema_extra=_BY_NAME)
    outputs: list[Output] = Field(
        default_factory=list, max_length=200, description="Outputs.", json_schema_extra=_BY_NAME
    )
    component: Component | None = Field(default=None, description="Python code. Either this or workflow.")
    workflow: Workflow | None = Field(
        default=None, description="Operators and how they are linked. Either this or component."
    )
    test_wiring: TestWiring = Field(
        default_factory=TestWiring,
        description="With what it is tried; a request without a wiring runs with it too.",
    )

    @model_validator(mode="after")
    def _whole(self) -> "TransformationSpec":
        refuse_unless((self.component is None) != (self.workflow is None), self.RULES[0][1])
        for part, names in (("inputs", self.inputs), ("outputs", self.outputs)):
            refuse_unless(len({each.name for each in names}) == len(names), f"{part} have a name twice")
        return self
