"""What an adapter is, for those that come along and for others: a class with `load`, `send` and `close`."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import msgspec

from kafkatrigger.runtime.adapters.external import ExternalType
from kafkatrigger.runtime.transformations.model import DataType


class AdapterError(Exception):
    """What is wrong with options, with a wiring or outside, and what to do, in a sentence.

    It is shown in responses and logs: it holds no credentials. `retriable`: it may go well later, as when a database
    cannot be reached.
    """

    def __init__(self, message: str, *, retriable: bool = False) -> None:
        super().__init__(message)
        self.retriable = retriable


class Wired(msgspec.Struct, frozen=True):
    """What the wiring of an input or output says of the data. It comes from a message: an adapter trusts none of it."""

    ref_id: str
    type: ExternalType
    ref_id_type: str = ""
    """SOURCE, SINK, THINGNODE, or empty."""
    ref_key: str = ""
    filters: Mapping[str, str] = {}


class Adapter(Protocol):
    """Loads and sends. The methods block; they are called from several threads at a time."""

    def load(self, wired: Wired, kind: DataType) -> Any:
        """The value for an input of the type: an object of pandas, or JSON as a wiring may hold it; AdapterError."""

    def send(self, wired: Wired, kind: DataType, value: Any) -> None:
        """Sends the value of an output of the type, which is there when this returns; AdapterError.

        It is called again for the same message where the run or its response failed afterwards.
        """

    def close(self) -> None:
        """Gives connections back. No call is under way, and none comes after it."""


NO_SECRET = Path(os.devnull)
"""In place of a folder, where there is no Secret."""

Factory = Callable[[Mapping[str, Any], Path], Adapter]
"""Of options and the folder with the Secret's keys, which is not there where the trigger names no Secret; AdapterError."""


class Options(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What all options have in common: camelCase outside, unknown ones refused."""


class NetworkOptions(Options, frozen=True, kw_only=True):
    """Of adapters that reach others through the network."""

    timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 20.0
    """Seconds."""


AnyOptions = TypeVar("AnyOptions", bound=Options)


def options_of(given: Mapping[str, Any], kind: type[AnyOptions]) -> AnyOptions:
    """The options of a type, checked; AdapterError that names the wrong one and those that there are."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        known = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
        raise AdapterError(f"its options are wrong: {error}; the options are {known}") from None


def secret(folder: Path, key: str, default: str | None = None) -> str:
    """The text of a key of the Secret, without space around it; the default, or AdapterError, where it is not there."""
    try:
        return (folder / key).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        if default is not None and isinstance(error, FileNotFoundError | NotADirectoryError):
            return default
        raise AdapterError(
            f"its secret has no readable key {key!r}: add it to the Secret that the trigger names"
        ) from None
