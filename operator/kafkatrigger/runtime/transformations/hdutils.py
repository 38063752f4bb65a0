"""What component code imports as `hdutils`; that of old ones imports some of it from modules of `hetdesrun`."""

import enum
import sys
import types
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import msgspec

from kafkatrigger.runtime.transformations import model
from kafkatrigger.runtime.transformations.data import parse
from kafkatrigger.runtime.transformations.results import figure

__all__ = [
    "ComponentException",
    "ComponentInputValidationException",
    "DataType",
    "WrappedModelWithCustomObjects",
    "parse_default_value",
    "plot_output_needed",
    "plotly_fig_to_json_dict",
]

plots_are_wanted: ContextVar[bool] = ContextVar("plots_are_wanted", default=False)
"""Of the run that is under way."""


class DataType(enum.StrEnum):
    """Types of inputs and outputs, by the names that component code has for them."""

    Integer = "INT"
    Float = "FLOAT"
    String = "STRING"
    DataFrame = "DATAFRAME"
    Series = "SERIES"
    MultiTSFrame = "MULTITSFRAME"
    SingleTSFrame = "SINGLETSFRAME"
    Boolean = "BOOLEAN"
    Any = "ANY"
    PlotlyJson = "PLOTLYJSON"


class WrappedModelWithCustomObjects(msgspec.Struct):
    """A model with what is needed to load it, as one value on a link."""

    custom_objects: dict[str, Any]
    model: Any = None


class ComponentException(Exception):  # noqa: N818 - its name elsewhere
    """A failure that a component expects: its code and information are in the response."""

    def __init__(
        self, *args: Any, error_code: int | str = "", extra_information: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.error_code = error_code
        self.extra_information = extra_information


class ComponentInputValidationException(ComponentException):
    """An input that the component cannot work with; `invalid_component_inputs` are the names."""

    def __init__(self, *args: Any, invalid_component_inputs: list[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invalid_component_inputs = invalid_component_inputs or []
        if invalid_component_inputs and self.extra_information is None:
            self.extra_information = {"invalid_component_inputs": invalid_component_inputs}


def parse_default_value(component_info: Mapping[str, Any], input_name: str) -> Any:
    """The default of an input as COMPONENT_INFO has it, as a value of its type."""
    info = component_info["inputs"][input_name]
    return parse(model.DataType(info["data_type"]), info["default_value"], is_nullable=True)


def plot_output_needed(output_name: str) -> bool:  # noqa: ARG001 - elsewhere it differs by output
    """Whether a plot is looked at; where it is not, `{}` does instead."""
    return plots_are_wanted.get()


def plotly_fig_to_json_dict(fig: Any) -> dict[str, Any]:
    """The figure as its JSON; arrays stay arrays until the response is written."""
    return figure(fig)


def provide() -> None:
    """Makes the modules that component code imports; no packages of these names are installed."""
    sys.modules["hdutils"] = sys.modules[__name__]
    for name, content in _OLD.items():
        module = sys.modules.setdefault(f"hetdesrun{name}", types.ModuleType(f"hetdesrun{name}"))
        vars(module).update(content)


def _register(**_: object) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What the decorator says is in the export too."""
    return lambda main: main


_OLD: dict[str, dict[str, Any]] = {
    "": {"__path__": []},
    ".component": {"__path__": []},
    ".component.registration": {"register": _register},
    ".datatypes": {"DataType": DataType},
    ".utils": {"plotly_fig_to_json_dict": plotly_fig_to_json_dict},
}
