"""Writes the generated parts of docs/triggers.md from the models: every field, every rule, every client option.

python docs/generate.py            writes them
python docs/generate.py --check    says whether they are up to date, by its exit code

A generated part lies between `<!-- generated: NAME -->` and `<!-- end -->`; what is around it is written by hand.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from kafkatrigger.api import crd
from kafkatrigger.api.client_options import CONNECTION_OPTIONS, SOURCE_OPTIONS, Table
from kafkatrigger.api.quantities import BYTES_PATTERN, DURATION_PATTERN
from kafkatrigger.api.resources import KafkaTriggerSpec

Schema = Mapping[str, Any]

REFERENCE = Path(__file__).parent / "triggers.md"
_WORDS = {DURATION_PATTERN: "duration", BYTES_PATTERN: "quantity"}


def main(arguments: list[str]) -> str | None:
    """Writes or checks; the sentence to end with where the check fails."""
    text = REFERENCE.read_text()
    fresh = filled(text)
    if arguments == ["--check"]:
        return None if text == fresh else f"{REFERENCE.name} is not up to date: run `make generate`"
    REFERENCE.write_text(fresh)
    return None


def filled(text: str) -> str:
    """The text with its generated parts as the models are now."""
    parts = {
        "fields": "\n".join(_fields(_spec_schema())),
        "rules": "\n".join(_rules(crd.definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "")),
        "connection options": "\n".join(_options(CONNECTION_OPTIONS)),
        "source options": "\n".join(_options(SOURCE_OPTIONS)),
    }
    pattern = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}\n{parts[found[2]]}\n\n{found[3]}", text)


def _spec_schema() -> Schema:
    version: Schema = crd.definition()["spec"]["versions"][0]
    spec: Schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return spec


def _fields(spec: Schema) -> Iterator[str]:
    """A table for each part of the spec, and one for what stands at its top."""
    fields = KafkaTriggerSpec.model_fields
    parts = {_alias(name, field): field for name, field in fields.items()}
    plain = {name: field for name, field in parts.items() if _model(field) is None}
    yield from _table((_row(name, field, spec["properties"][name]) for name, field in plain.items()), "spec")
    for name, field in parts.items():
        if model := _model(field):
            schema = spec["properties"][name]
            required = "Required. " if field.is_required() else ""
            yield from ("", f"### {name}", "", f"{required}{schema['description']}", "")
            yield from _table(_rows(model, schema, f"{name}."), name)


def _table(rows: Iterator[str], where: str) -> Iterator[str]:
    yield from (f"| field of `{where}` | type | default | meaning |", "| --- | --- | --- | --- |")
    yield from rows


def _rows(model: type[BaseModel], schema: Schema, prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        alias = _alias(name, field)
        inner = schema["properties"][alias]
        below = _model(field)
        if below is None:
            yield _row(prefix + alias, field, inner)
        elif inner["type"] == "array":
            yield _row(prefix + alias, field, inner)
            yield from _rows(below, inner["items"], f"{prefix}{alias}[].")
        else:
            yield from _rows(below, inner, f"{prefix}{alias}.")


def _row(path: str, field: FieldInfo, schema: Schema) -> str:
    cells = (f"`{path}`", _type(schema), _default(field), schema.get("description", ""))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _alias(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _model(field: FieldInfo) -> type[BaseModel] | None:
    """The model that a field holds, alone, in a list, or instead of null."""
    found = [each for each in _classes(field.annotation) if isinstance(each, type) and issubclass(each, BaseModel)]
    return found[0] if found else None


def _classes(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from _classes(inner)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if field.default_factory is not None:
        return "empty"
    return "none" if field.default is None else f"`{_literal(field.default)}`"


def _literal(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _type(schema: Schema) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if "enum" in schema:
        return ", ".join(f"`{_literal(each)}`" for each in schema["enum"])
    match schema.get("type", "any JSON"):
        case "array":
            return f"list of {_plural(_type(schema['items']))}"
        case "object":
            values = schema.get("additionalProperties")
            return f"map to {_plural(_type(values))}" if isinstance(values, Mapping) else "object"
        case "integer" | "number" as kind:
            return f"{kind}{_range(schema)}"
        case kind:
            return _WORDS.get(schema.get("pattern", ""), str(kind))


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    return "" if low is None or high is None else f", {low:g} to {high:.15g}"


def _plural(kind: str) -> str:
    word, comma, rest = kind.partition(",")
    return kind if word.startswith(("list", "map", "`")) or " or " in word else f"{word}s{comma}{rest}"


def _rules(schema: Schema, path: str) -> Iterator[str]:
    """The sentences of the API server's refusals, and where they apply."""
    for rule in schema.get("x-kubernetes-validations", ()):
        where = path.removeprefix(".") or "the whole trigger"
        yield f"- `{where}`: {rule['message']}" if path else f"- {rule['message']}"
    for name, inner in schema.get("properties", {}).items():
        yield from _rules(inner, f"{path}.{name}")
    if isinstance(schema.get("items"), Mapping):
        yield from _rules(schema["items"], f"{path}[]")


def _options(table: Table) -> Iterator[str]:
    yield from ("| option | values | meaning |", "| --- | --- | --- |")
    yield from (f"| `{name}` | {option.words} | {option.meaning} |" for name, option in sorted(table.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
