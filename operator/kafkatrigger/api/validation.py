"""What a spec means with defaults under it, or what is wrong with it, in sentences. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kafkatrigger.api.resources import KafkaTriggerSpec

_UNION_BRANCHES = ("int", "str")


@dataclass(frozen=True)
class Refused:
    """A spec that cannot run, with a sentence for each thing that is wrong."""

    message: str


def validated(spec: object, defaults: Mapping[str, Any]) -> KafkaTriggerSpec | Refused:
    """The spec over the defaults. Takes whatever the API server stores: it may predate today's schema."""
    if not isinstance(spec, Mapping):
        return Refused("spec: missing; see `kubectl explain kafkatrigger.spec`")
    try:
        return KafkaTriggerSpec.model_validate(merged(defaults, spec))
    except ValidationError as error:
        return Refused("; ".join(dict.fromkeys(_sentence(each) for each in error.errors())))


def merged(defaults: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """`spec` over `defaults`: maps are merged, lists and scalars replaced."""
    result = dict(defaults)
    for name, value in spec.items():
        below = result.get(name)
        result[name] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def _sentence(error: Any) -> str:
    """One problem as `spec.field: what is wrong`."""
    path = [str(part) for part in error["loc"] if part not in _UNION_BRANCHES]
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        text = "unknown field; see `kubectl explain kafkatrigger.spec`"
    elif error["type"] == "missing":
        text = "missing, here and in the chart's defaults"
    return f"{'.'.join(['spec', *path])}: {text}"
