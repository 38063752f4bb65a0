"""The types of data outside, as wirings name them: `timeseries(float)`, `dataframe`."""

import re

import msgspec

from kafkatrigger.runtime.transformations.model import DataType

_OF_VALUES = {
    "int": DataType.INT,
    "float": DataType.FLOAT,
    "string": DataType.STRING,
    "boolean": DataType.BOOLEAN,
    "any": DataType.ANY,
}
_ALIASES = {"integer": "int", "str": "string", "bool": "boolean", "object": "any"}
_OF_FRAMES = {
    "dataframe": DataType.DATAFRAME,
    "multitsframe": DataType.MULTITSFRAME,
    "singletsframe": DataType.SINGLETSFRAME,
}
_WITH_VALUES = ("metadata", "timeseries", "series")
_TYPE = re.compile(r"(\w+)(?:\((\w+)\))?")


class ExternalType(msgspec.Struct, frozen=True):
    """What the data are, and for all but frames the type of their values."""

    shape: str
    """metadata, timeseries, series, dataframe, multitsframe or singletsframe."""
    values: str = ""
    """int, float, string, boolean or any; empty for frames."""

    def fits(self, kind: DataType) -> bool:
        """Whether an input or output of this type can have such data."""
        return kind.accepts(_OF_FRAMES.get(self.shape) or self._of_values())

    def _of_values(self) -> DataType:
        return _OF_VALUES[self.values] if self.shape == "metadata" else DataType.SERIES

    def __str__(self) -> str:
        return f"{self.shape}({self.values})" if self.values else self.shape


def parse_type(text: str) -> ExternalType:
    """The type with its aliases resolved; ValueError with the ones that there are."""
    found = _TYPE.fullmatch(text.strip())
    shape, values = found.groups() if found else ("", None)
    values = _ALIASES.get(values or "", values)
    if shape in _OF_FRAMES and values is None:
        return ExternalType(shape)
    if shape in _WITH_VALUES and values in _OF_VALUES:
        return ExternalType(shape, values)
    raise ValueError(
        f"{text!r} is no type of data: write {', '.join(_OF_FRAMES)}, "
        f"or one of {', '.join(_WITH_VALUES)} with {', '.join(_OF_VALUES)} in parentheses"
    )


def type_for(kind: DataType) -> ExternalType:
    """What the data are where a wiring does not say it."""
    if kind is DataType.SERIES:
        return ExternalType("timeseries", "any")
    shape = next((shape for shape, frame in _OF_FRAMES.items() if frame is kind), None)
    if shape:
        return ExternalType(shape)
    return ExternalType("metadata", next((name for name, of in _OF_VALUES.items() if of is kind), "any"))
