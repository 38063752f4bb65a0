"""The generated files are those of today's models, and what a structural schema forbids is not in them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kafkatrigger.api.crd import DEFINITIONS, as_template, as_values_schema, as_yaml, definition
from kafkatrigger.api.resources import KafkaTriggerSpec

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "kafkatrigger"
MEND = "run `make generate`"


every_kind = pytest.mark.parametrize("plural", DEFINITIONS)


@every_kind
def test_the_committed_definitions_are_fresh(plural: str) -> None:
    assert (ROOT / "crds" / f"{plural}.yaml").read_text() == as_yaml(DEFINITIONS[plural]()), MEND


@every_kind
def test_the_charts_definitions_are_fresh(plural: str) -> None:
    template = CHART / "templates" / f"crd-{plural}.yaml"
    assert template.read_text() == as_template(DEFINITIONS[plural]()), MEND


def test_the_charts_values_schema_is_fresh() -> None:
    text = (CHART / "values.schema.json").read_text()
    assert text == as_values_schema(text), MEND


@every_kind
def test_the_templates_hold_nothing_that_helm_would_evaluate(plural: str) -> None:
    lines = [line for line in as_template(DEFINITIONS[plural]()).splitlines() if "{{" in line]
    assert lines == ["{{- if .Values.crds.install }}", "{{- end }}"]


@every_kind
def test_yaml_says_what_the_models_say(plural: str) -> None:
    assert yaml.safe_load(as_yaml(DEFINITIONS[plural]())) == DEFINITIONS[plural]()


@every_kind
def test_every_field_is_described(plural: str) -> None:
    properties = DEFINITIONS[plural]()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    parts = [part for part in ("spec", "status") if part in properties]
    assert [at for part in parts for at in _undescribed(properties[part], part)] == []


def test_strings_lists_and_maps_of_the_spec_are_bounded() -> None:
    """Without bounds the API server refuses CEL rules as too costly."""
    spec = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert list(_unbounded(spec, "spec")) == []


def test_only_the_replicas_have_a_default() -> None:
    spec = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert sorted(_defaults(spec, "spec")) == ["spec.scaling", "spec.scaling.replicas"]


def _nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, value in schema.get("properties", {}).items():
        yield from _nodes(value, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _nodes(schema[name], f"{path}[]")


def _undescribed(schema: dict[str, Any], path: str) -> Iterator[str]:
    return (at for at, node in _nodes(schema, path) if not at.endswith("[]") and not node.get("description"))


def _unbounded(schema: dict[str, Any], path: str) -> Iterator[str]:
    bounds = {"string": "maxLength", "array": "maxItems"}
    for at, node in _nodes(schema, path):
        if "enum" not in node and node.get("type") in bounds and bounds[node["type"]] not in node:
            yield at
        if "additionalProperties" in node and "maxProperties" not in node:
            yield at


def _defaults(schema: dict[str, Any], path: str) -> Iterator[str]:
    return (at for at, node in _nodes(schema, path) if "default" in node)


def test_no_bound_is_exclusive() -> None:
    """The definition drops `exclusiveMinimum` and `exclusiveMaximum` of a number: the API server would let the bound pass."""
    schema = KafkaTriggerSpec.model_json_schema()
    assert "exclusiveM" not in str(schema)
