"""The CustomResourceDefinitions, generated from the pydantic models.

A structural schema (Kubernetes' word) is narrower than JSON Schema: no $ref, no anyOf with null, no default here. The
models say with `rules` and `values` in `json_schema_extra` what pydantic cannot: CEL expressions and the schema of a
map's values.

`make generate` writes what this module prints: `python -m kafkatrigger.api.crd kafkatriggers` (or `transformations`) the
definition as YAML, with `--chart` the same as a template of the chart, with `--values-schema FILE` the chart's values schema
with `defaults` as the models say.
"""

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kafkatrigger.api.resources import GROUP, KIND, PLURAL, VERSION, KafkaTriggerSpec, KafkaTriggerStatus
from kafkatrigger.api.schema import Model, Rule
from kafkatrigger.api.transformation import TRANSFORMATION_KIND, TRANSFORMATION_PLURAL, TransformationSpec

Schema = dict[str, Any]

_KEPT = {
    "type", "description", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "minProperties", "maxProperties", "required", "nullable", "oneOf",
}  # fmt: skip
_NAME_RULE = (
    "self.metadata.name.size() <= 45",
    "metadata.name is longer than 45 characters, and the names of the objects made for it would not fit: choose a shorter one",
)


def definition() -> Schema:
    """The CustomResourceDefinition of KafkaTrigger as a manifest."""
    # Of one kind alone: kubectl takes the kind's name for the category, and could not tell which of several is meant.
    names = {"shortNames": ["kt"], "categories": ["kafkatrigger"]}
    return _definition(KIND, PLURAL, names, _trigger_version())


def transformation() -> Schema:
    """The CustomResourceDefinition of Transformation as a manifest."""
    return _definition(TRANSFORMATION_KIND, TRANSFORMATION_PLURAL, {"shortNames": ["ktf"]}, _transformation_version())


DEFINITIONS = {PLURAL: definition, TRANSFORMATION_PLURAL: transformation}


def _definition(kind: str, plural: str, names: Schema, version: Schema) -> Schema:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower(), **names},
            "versions": [{"name": VERSION, "served": True, "storage": True, **version}],
        },
    }


def _trigger_version() -> Schema:
    return {
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
        "schema": {"openAPIV3Schema": _trigger_root()},
    }


def _transformation_version() -> Schema:
    spec = _model(TransformationSpec)
    # Rules speak of it, and people see it: what says nothing of it is a draft.
    spec["properties"]["state"]["default"] = "Draft"
    return {
        "additionalPrinterColumns": [
            _column("Tag", "string", ".spec.versionTag"),
            _column("State", "string", ".spec.state"),
            _column("Age", "date", ".metadata.creationTimestamp"),
        ],
        "schema": {"openAPIV3Schema": _root(TransformationSpec, spec)},
    }


def _column(name: str, kind: str, path: str) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path}


def _trigger_root() -> Schema:
    spec = _model(KafkaTriggerSpec)
    # The one default in the schema: `kubectl scale` and autoscalers read the path, so it has to be there.
    scaling = spec["properties"]["scaling"]
    scaling["default"] = {}
    scaling["properties"]["replicas"]["default"] = 1
    root = _root(KafkaTriggerSpec, spec)
    root["properties"]["status"] = _status()
    return {**root, "x-kubernetes-validations": _rules([_NAME_RULE])}


def _root(model: type[Model], spec: Schema) -> Schema:
    return {
        "type": "object",
        "description": inspect.getdoc(model),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
        },
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


def _model_rules(schema: Schema) -> tuple[Rule, ...]:
    """Rules of the model that the node was made from; pydantic titles a model's schema with its class name."""
    models = {model.__name__: model for model in _models(Model)}
    model = models.get(schema.get("model") or schema.get("title", ""))
    return model.RULES if model and "properties" in schema else ()


def _models(base: type[Model]) -> Iterator[type[Model]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def _rules(rules: list[Rule]) -> list[Schema]:
    return [{"rule": rule, "message": message} for rule, message in rules]


_HEADER = "# Generated from the models of operator/kafkatrigger/api by `make generate`: edit there.\n"


def as_yaml(manifest: Schema) -> str:
    """A definition as the YAML that is committed."""
    return _HEADER + _dump(manifest)


def as_template(definition: Schema) -> str:
    """A definition as a template of the chart: helm never upgrades what lies in `crds/`, and must never delete this."""
    manifest = dict(definition)
    manifest["metadata"] = {**manifest["metadata"], "annotations": {"helm.sh/resource-policy": "keep"}}
    return f"{_HEADER}{{{{- if .Values.crds.install }}}}\n{_dump(manifest)}{{{{- end }}}}\n"


def as_values_schema(text: str) -> str:
    """The chart's values schema with `defaults` as the resource's spec is now, but nothing required."""
    document = json.loads(text)
    defaults = _plain(_model(KafkaTriggerSpec))
    # The API server's own default for it always wins, so a default here would have no effect.
    del defaults["properties"]["scaling"]
    # A replay is one trigger's, once.
    del defaults["properties"]["replay"]
    # One group for all triggers is what GroupInUse refuses.
    del defaults["properties"]["source"]["properties"]["groupId"]
    document["properties"]["defaults"] = {**defaults, "description": "Merged under the spec of every trigger."}
    return json.dumps(document, indent=2) + "\n"


def _plain(schema: Schema) -> Schema:
    """JSON Schema of a structural schema, every field optional and unknown fields refused."""
    dropped = {"required", "minItems"}
    result = {
        name: value for name, value in schema.items() if not name.startswith("x-kubernetes-") and name not in dropped
    }
    if schema.get("x-kubernetes-int-or-string"):
        result["type"] = ["integer", "string"]
    if "items" in schema:
        # Items are taken as they are: a list replaces the whole list below it.
        result["items"] = {
            **_plain(schema["items"]),
            **{key: schema["items"][key] for key in dropped & schema["items"].keys()},
        }
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = _plain(schema["additionalProperties"])
    if properties := schema.get("properties"):
        result["properties"] = {name: _plain(value) for name, value in properties.items()}
        result["additionalProperties"] = False
    return result


def _dump(manifest: Schema) -> str:
    # Through JSON, because the YAML library would write shared parts as anchors.
    import yaml

    return yaml.safe_dump(json.loads(json.dumps(manifest)), sort_keys=False, width=130, allow_unicode=True)


def _main(arguments: list[str]) -> str:
    match arguments:
        case [plural] if plural in DEFINITIONS:
            return as_yaml(DEFINITIONS[plural]())
        case [plural, "--chart"] if plural in DEFINITIONS:
            return as_template(DEFINITIONS[plural]())
        case ["--values-schema", file]:
            return as_values_schema(Path(file).read_text())
    raise SystemExit(f"unknown arguments {arguments}: see the module's description")


if __name__ == "__main__":
    sys.stdout.write(_main(sys.argv[1:]))
