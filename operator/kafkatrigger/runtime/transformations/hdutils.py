"""What component code imports as `hdutils`."""

from collections.abc import Mapping
from typing import Any

from kafkatrigger.runtime.transformations.data import parse
from kafkatrigger.runtime.transformations.model import DataType
from kafkatrigger.runtime.transformations.results import figure

__all__ = [
    "ComponentException",
    "ComponentInputValidationException",
    "parse_default_value",
    "plotly_fig_to_json_dict",
]


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
    return parse(DataType(info["data_type"]), info["default_value"])


def plotly_fig_to_json_dict(fig: Any) -> dict[str, Any]:
    """The figure as its JSON; arrays stay arrays until the response is written."""
    return figure(fig)
