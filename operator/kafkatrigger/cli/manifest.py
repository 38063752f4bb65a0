"""Reads manifests the way kubectl does: the same file means the same thing to both."""

import re
from pathlib import Path
from typing import Any

import yaml

from kafkatrigger.api.resources import API_VERSION, KIND

SUFFIXES = (".yaml", ".yml")


class ManifestError(Exception):
    """The file holds no trigger that can be used; the message says what to do."""


_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, a tenth of the time of the one in Python, where it is there."""


class _Loader(_SafeLoader):  # type: ignore[misc, valid-type] # chosen when the program runs
    """YAML as JSON: kubectl converts it so. No timestamps, no `on` for true, no numbers with colons; keys are text."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


_ODD_BREAKS = set("\x85\u2028\u2029")
"""YAML takes them for ends of lines, and reads them as such unless they are escaped."""


class _Dumper(yaml.SafeDumper):
    """Quotes text that the loader, or one of YAML 1.1, would take for something else."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _ODD_BREAKS & set(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _resolve(tag: str, pattern: str, first: str) -> None:
    for each in (_Loader, _Dumper):
        each.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789")
# To kubectl these are booleans and a number, too: what is text has to be quoted.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^[yYnN]$"), list("yYnN"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?0o[0-7_]+$"), list("-+0"))
_resolve("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789")


def load_trigger(path: Path, name: str | None) -> dict[str, Any]:
    """The one KafkaTrigger of the file, or the one called `name`; ManifestError where there is none or a choice."""
    triggers = of_kind(path, KIND)
    wanted = [each for each in triggers if name in (None, _name(each))]
    if len(wanted) != 1:
        names = ", ".join(map(_name, triggers)) or "none"
        raise ManifestError(f"{path} has to hold one {KIND}; it holds: {names}. Choose one with --name")
    (trigger,) = wanted
    if trigger.get("apiVersion") != API_VERSION:
        raise ManifestError(f"{path}: apiVersion is {trigger.get('apiVersion')!r}, and has to be {API_VERSION}")
    return trigger


def of_kind(path: Path, kind: str) -> list[dict[str, Any]]:
    """The resources of a kind that a file holds; ManifestError."""
    return [each for each in documents(path) if isinstance(each, dict) and each.get("kind") == kind]


def documents(path: Path) -> list[Any]:
    """The documents of a file; ManifestError."""
    try:
        return [_with_text_keys(each) for each in yaml.load_all(path.read_text(), _Loader)]
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} is not YAML: {error}") from None


def text_of(document: object) -> str:
    """A document as YAML that is read as the same; text of several lines is shown as it is."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _name(trigger: dict[str, Any]) -> str:
    metadata = trigger.get("metadata")
    return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


def _with_text_keys(node: Any) -> Any:
    if isinstance(node, dict):
        return {_text_key(key): _with_text_keys(value) for key, value in node.items()}
    return [_with_text_keys(each) for each in node] if isinstance(node, list) else node


def _text_key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)
