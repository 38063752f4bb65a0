"""What can be wrong with a transformation, a wiring, or a run. The tree is drawn in the docstring of the package."""

import enum

import msgspec


class Stage(enum.StrEnum):
    """Where a run was when it failed."""

    PARSING_WORKFLOW = "PARSING_WORKFLOW"
    LOADING_DATA_FROM_ADAPTERS = "LOADING_DATA_FROM_ADAPTERS"
    PARSING_LOADED_DATA = "PARSING_LOADED_DATA"
    EXECUTING_COMPONENT_CODE = "EXECUTING_COMPONENT_CODE"
    SENDING_DATA_TO_ADAPTERS = "SENDING_DATA_TO_ADAPTERS"
    ENCODING_RESULTS_TO_JSON = "ENCODING_RESULTS_TO_JSON"


class TransformationInfo(msgspec.Struct, frozen=True):
    """Which component."""

    id: str
    name: str
    tag: str
    type: str


class Hierarchy(msgspec.Struct, frozen=True):
    """The way to an operator, from the transformation that was asked for down to it."""

    by_name: tuple[str, ...]
    by_id: tuple[str, ...]


class OperatorInfo(msgspec.Struct, frozen=True):
    """An operator and what it runs."""

    transformation_info: TransformationInfo
    hierarchy_in_workflow: Hierarchy


class TransformationError(Exception):
    """What went wrong and where, in a sentence."""

    retriable = False
    """Whether the same run may go well later."""

    def __init__(self, message: str, stage: Stage, operator: OperatorInfo | None = None) -> None:
        super().__init__(message)
        self.stage = stage
        self.operator = operator


class InvalidRequest(TransformationError):  # noqa: N818 - read as what it is
    """A message that does not say what is to run."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Stage.PARSING_WORKFLOW)


class UnknownTransformation(InvalidRequest):
    """A request for a transformation that is not there, or may not be requested."""


class InvalidTransformation(TransformationError):  # noqa: N818
    """A revision that cannot be read, or not be planned."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Stage.PARSING_WORKFLOW)


class InvalidWiring(TransformationError):  # noqa: N818
    """A wiring that does not fit the transformation."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Stage.LOADING_DATA_FROM_ADAPTERS)


class InvalidData(TransformationError):  # noqa: N818
    """A value that is none of its type, or cannot be written as JSON."""

    def __init__(self, message: str, stage: Stage = Stage.PARSING_LOADED_DATA) -> None:
        super().__init__(message, stage)


class ComponentFailed(TransformationError):  # noqa: N818
    """The code of a component failed; `__cause__` is what it raised, if it raised something."""

    def __init__(self, message: str, operator: OperatorInfo) -> None:
        super().__init__(message, Stage.EXECUTING_COMPONENT_CODE, operator)


class AdapterFailed(TransformationError):  # noqa: N818
    """An adapter could not load or send."""

    def __init__(self, message: str, stage: Stage, *, retriable: bool) -> None:
        super().__init__(message, stage)
        self.retriable = retriable
