"""What requests say, in either schema of hetida designer. Unknown fields are let through: versions differ in them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import orjson

from kafkatrigger.runtime.errors import bounded, kind_of
from kafkatrigger.runtime.serving.message_values import uuid_of
from kafkatrigger.runtime.transformations import wiring as wirings
from kafkatrigger.runtime.transformations.problems import InvalidRequest, InvalidWiring
from kafkatrigger.runtime.transformations.wiring import Wiring

_ID_LIMIT = 200
"""Characters of an id in sentences."""


class Request(msgspec.Struct, frozen=True):
    """What is to run: the revision with this id, or the latest of a group."""

    document: Mapping[str, Any]
    identity: str | None
    group: str | None
    wiring: Wiring | None
    """None is the revision's test wiring."""
    run_pure_plot_operators: bool


class _Execute(msgspec.Struct):
    id: str | None = None
    revision_group_id: str | None = None
    wiring: Any = None
    run_pure_plot_operators: bool = False


class _Configuration(msgspec.Struct, rename="camel"):
    run_pure_plot_operators: bool = False


class _WorkflowExecution(msgspec.Struct, rename="camel"):
    workflow_id: str
    workflow_wiring: Any = None
    configuration: _Configuration | None = None


def document_of(value: bytes | None, *, may_have_key: bool) -> Mapping[str, Any]:
    """The JSON object of a request, behind `key:` where that may be in front; InvalidRequest."""
    if value is None:
        raise InvalidRequest("the request has no value: send a JSON object")
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        _, colon, rest = value.partition(b":")
        if not (may_have_key and colon):
            raise InvalidRequest(f"the request is no JSON: {error}") from None
        return document_of(rest, may_have_key=False)
    if not isinstance(document, dict):
        raise InvalidRequest(f"the request is {kind_of(document)}: send a JSON object")
    return document


def job_id_of(document: Mapping[str, Any]) -> tuple[str, bool]:
    """The job's id as it was given, empty where none was, and whether it is none at all."""
    given = document.get("job_id")
    if given is None:
        return "", False
    found = uuid_of(given)
    return found or bounded(str(given), _ID_LIMIT), not found


def execute(document: Mapping[str, Any]) -> Request:
    """A request in the schema Execute; InvalidRequest or InvalidWiring."""
    said = _converted(document, _Execute)
    if (said.id is None) == (said.revision_group_id is None):
        raise InvalidRequest("the request has to have either id or revision_group_id")
    return Request(document, said.id, said.revision_group_id, _wiring(said.wiring), said.run_pure_plot_operators)


def workflow_execution(document: Mapping[str, Any]) -> Request:
    """A request in the schema of 0.6 and older, in either spelling; InvalidRequest or InvalidWiring."""
    said = _converted(_camel(document), _WorkflowExecution)
    run_pure_plot_operators = said.configuration is not None and said.configuration.run_pure_plot_operators
    return Request(
        document, said.workflow_id, None, _wiring(_with_ref_ids(said.workflow_wiring)), run_pure_plot_operators
    )


SCHEMAS: Mapping[str, Callable[[Mapping[str, Any]], Request]] = {
    "Execute": execute,
    "WorkflowExecution06": workflow_execution,
}


def _converted(document: object, kind: Any) -> Any:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"the request cannot be read: {error}") from None


def _wiring(given: object) -> Wiring | None:
    try:
        return None if given is None else wirings.from_json(given)
    except RecursionError:
        raise InvalidWiring("the wiring cannot be read: it is nested too deeply") from None


def _camel(document: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of the document and of its configuration in camelCase."""
    named = {wirings.camel_word(key): value for key, value in document.items()}
    if isinstance(configuration := named.get("configuration"), dict):
        named["configuration"] = {wirings.camel_word(key): value for key, value in configuration.items()}
    return named


def _with_ref_ids(given: object) -> object:
    """source_id and sink_id are ref_id today."""
    if not isinstance(given, dict):
        return given
    return {
        key: [_with_ref_id(each) for each in part] if isinstance(part, list) else part for key, part in given.items()
    }


def _with_ref_id(given: object) -> object:
    if not isinstance(given, dict):
        return given
    wired = {wirings.camel_word(key): value for key, value in given.items()}
    found = [wired[key] for key in ("refId", "sourceId", "sinkId") if wired.get(key) is not None]
    return {**wired, "refId": found[0]} if found else wired
