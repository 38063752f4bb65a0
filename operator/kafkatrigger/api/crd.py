"""The CustomResourceDefinition, generated from the pydantic models.

A structural schema (Kubernetes' word) is narrower than JSON Schema: no $ref, no anyOf with null, no default here. The
models say with `rules` and `values` in `json_schema_extra` what pydantic cannot: CEL expressions and the schema of a
map's values.

`python -m kafkatrigger.api.crd` prints the definition as YAML; `make generate` writes it to `crds/` and the chart.
"""

import inspect
import json
import sys
from typing import Any, cast

from pydantic import BaseModel

from kafkatrigger.api import resources
from kafkatrigger.api.resources import GROUP, KIND, PLURAL, VERSION, KafkaTriggerSpec, KafkaTriggerStatus, Model

Schema = dict[str, Any]

_KEPT = {
    "type", "description", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "minProperties", "maxProperties", "required",
}  # fmt: skip
_NAME_RULE = (
    "self.metadata.name.size() <= 45",
    "metadata.name is longer than 45 characters, and the names of the objects made for it would not fit: choose a shorter one",
)


def definition() -> Schema:
    """The CustomResourceDefinition of KafkaTrigger as a manifest."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": KIND, "listKind": f"{KIND}List", "plural": PLURAL, "singular": "kafkatrigger",
                      "shortNames": ["kt"], "categories": ["kafkatrigger"]},
            "versions": [_version()],
        },
    }  # fmt: skip


def _version() -> Schema:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.scaling.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            _column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
            _column("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
            _column("Topics", "string", ".status.topicsText"),
            _column("Lag", "integer", ".status.lag"),
            _column("Replicas", "integer", ".status.replicas"),
            _column("Age", "date", ".metadata.creationTimestamp"),
        ],
        "schema": {"openAPIV3Schema": _root()},
    }


def _column(name: str, kind: str, path: str) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path}


def _root() -> Schema:
    spec = _model(KafkaTriggerSpec)
    # The one default in the schema: `kubectl scale` and autoscalers read the path, so it has to be there.
    scaling = spec["properties"]["scaling"]
    scaling["default"] = {}
    scaling["properties"]["replicas"]["default"] = 1
    return {
        "type": "object",
        "description": inspect.getdoc(KafkaTriggerSpec),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": _status(),
        },
        "x-kubernetes-validations": _rules([_NAME_RULE]),
    }


def _status() -> Schema:
    status = _model(KafkaTriggerStatus)
    status["properties"]["observedGeneration"]["format"] = "int64"
    status["properties"]["conditions"] |= {
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"type": "string", "description": "Which condition."},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it holds."},
                "reason": {"type": "string", "description": "Why, as one CamelCase word."},
                "message": {"type": "string", "description": "Why, as a sentence, and what to do."},
                "lastTransitionTime": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When status last changed.",
                },
                "observedGeneration": {
                    "type": "integer",
                    "format": "int64",
                    "description": "Generation that it speaks of.",
                },
            },
        },
    }
    return status


def _model(model: type[Model]) -> Schema:
    document = model.model_json_schema(by_alias=True)
    return _structural(document, document.get("$defs", {}))


def _structural(schema: Schema, definitions: Schema) -> Schema:
    """The structural schema of one JSON Schema node, references resolved."""
    schema = _resolved(schema, definitions)
    result = {name: value for name, value in schema.items() if name in _KEPT or name.startswith("x-kubernetes-")}
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
    if "const" in schema:
        result["enum"] = [schema["const"]]
    if properties := schema.get("properties"):
        result["properties"] = {name: _structural(value, definitions) for name, value in properties.items()}
    if "items" in schema:
        result["items"] = _structural(schema["items"], definitions)
    if isinstance(values := schema.get("additionalProperties"), dict) and not _is_opaque(schema):
        result["additionalProperties"] = schema.get("values") or _structural(values, definitions)
    if rules := [*schema.get("rules", []), *_model_rules(schema)]:
        result["x-kubernetes-validations"] = _rules(rules)
    return result


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """The node with its $ref and its "or null" replaced by what they stand for; words at the use win."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        schema = {**definitions[name], **{key: value for key, value in schema.items() if key != "$ref"}, "model": name}
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    if len(options) == 1:
        schema = {
            **_resolved(options[0], definitions),
            **{key: value for key, value in schema.items() if key != "anyOf"},
        }
    return schema


def _is_opaque(schema: Schema) -> bool:
    return bool(schema.get("x-kubernetes-preserve-unknown-fields"))


def _model_rules(schema: Schema) -> tuple[resources.Rule, ...]:
    """Rules of the model that the node was made from; pydantic titles a model's schema with its class name."""
    model = getattr(resources, schema.get("model") or schema.get("title", ""), None)
    is_model = inspect.isclass(model) and issubclass(model, BaseModel) and "properties" in schema
    return cast("type[Model]", model).RULES if is_model else ()


def _rules(rules: list[resources.Rule]) -> list[Schema]:
    return [{"rule": rule, "message": message} for rule, message in rules]


def as_yaml() -> str:
    """The definition as the YAML that is committed; JSON values are YAML, so quoting needs no library."""
    import yaml

    header = "# Generated from operator/kafkatrigger/api/resources.py by `make generate`: edit there.\n"
    return header + yaml.safe_dump(json.loads(json.dumps(definition())), sort_keys=False, width=130, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(as_yaml())
