"""Which value goes to which input, and where an output goes. Both spellings are read: snake_case and camelCase."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kafkatrigger.runtime.transformations.problems import InvalidWiring

DIRECT = "direct_provisioning"
"""The adapter whose values are in the wiring itself, or in the response."""
_OF_OTHERS = ("filters", "dashboardPositionings")


class Wired(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What input and output wirings share. Unknown fields are let through: versions of hetida designer differ in them."""

    adapter_id: str | int = DIRECT
    ref_id: str | None = None
    ref_id_type: str | None = None
    ref_key: str | None = None
    type: str | None = None
    filters: dict[str, str | None] = {}

    @property
    def is_direct(self) -> bool:
        """1 is the adapter's number in old wirings."""
        return self.adapter_id in (DIRECT, 1)


class InputWiring(Wired, frozen=True, kw_only=True):
    """Where an input's value comes from."""

    workflow_input_name: str
    use_default_value: bool = False


class OutputWiring(Wired, frozen=True, kw_only=True):
    """Where an output's value goes to."""

    workflow_output_name: str


class Wiring(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Inputs that are not wired have their defaults, outputs that are not wired come back in the response."""

    input_wirings: tuple[InputWiring, ...] = ()
    output_wirings: tuple[OutputWiring, ...] = ()
    dashboard_positionings: tuple[dict[str, Any], ...] = ()


def from_json(given: object) -> Wiring:
    """A wiring in either spelling; InvalidWiring that names the field."""
    try:
        return msgspec.convert(_camel(given), Wiring)
    except msgspec.ValidationError as error:
        raise InvalidWiring(f"the wiring cannot be read: {error}") from None


def _camel(node: object) -> object:
    """Keys in camelCase, but for those that are others': of filters and of dashboards."""
    if isinstance(node, dict):
        return {
            (word := camel_word(key)): value if word in _OF_OTHERS else _camel(value) for key, value in node.items()
        }
    return [_camel(each) for each in node] if isinstance(node, list | tuple) else node


@functools.lru_cache
def camel_word(word: str) -> str:
    """`ref_id` as `refId`; words without an underscore stay."""
    first, *others = word.split("_")
    return first + "".join(each.capitalize() for each in others)


def direct_values(wiring: Wiring, inputs: Mapping[str, bool], outputs: Iterable[str]) -> dict[str, str]:
    """The text of each input that is wired directly; inputs are given with whether they are required. InvalidWiring."""
    wired = {each.workflow_input_name: each for each in wiring.input_wirings if not each.use_default_value}
    _check_names("input", [each.workflow_input_name for each in wiring.input_wirings], list(inputs))
    _check_names("output", [each.workflow_output_name for each in wiring.output_wirings], list(outputs))
    if missing := [name for name, is_required in inputs.items() if is_required and name not in wired]:
        raise InvalidWiring(f"{_quoted(missing)} of the inputs have no default and no value: wire them")
    return {name: _text(each) for name, each in wired.items() if each.is_direct}


def _check_names(kind: str, wired: list[str], known: list[str]) -> None:
    if len(set(wired)) < len(wired):
        twice = sorted({name for name in wired if wired.count(name) > 1})
        raise InvalidWiring(f"{_quoted(twice)}: an {kind} can be wired once, and is wired several times")
    if unknown := [name for name in wired if name not in known]:
        there = _quoted(known) if known else "none"
        raise InvalidWiring(f"{_quoted(unknown)}: there is no such {kind}; the transformation's are {there}")


def _text(wired: InputWiring) -> str:
    if "value" not in wired.filters:
        raise InvalidWiring(f"the input {wired.workflow_input_name!r} is wired without a value: set filters.value")
    return wired.filters["value"] or ""


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
