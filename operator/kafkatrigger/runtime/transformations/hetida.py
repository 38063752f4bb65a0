"""Revisions from hetida designer's exports: its JSON, in which links name connectors by their ids.

Unknown fields are let through, since versions differ in them; what is there has to be of its type.
"""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Literal

import msgspec

from kafkatrigger.runtime.transformations import wiring
from kafkatrigger.runtime.transformations.component_file import revision_of_code
from kafkatrigger.runtime.transformations.header import Header
from kafkatrigger.runtime.transformations.model import (
    Component,
    Constant,
    DataType,
    End,
    Input,
    Link,
    Operator,
    Output,
    Revision,
    Workflow,
)
from kafkatrigger.runtime.transformations.problems import InvalidTransformation, InvalidWiring


class _Connector(msgspec.Struct):
    """Of an operator, or of a link's end."""

    id: str
    name: str | None = None
    data_type: DataType = DataType.ANY


class _Interface(_Connector):
    """An input or output of a transformation."""

    type: Literal["REQUIRED", "OPTIONAL"] = "REQUIRED"
    value: Any = None


class _Interfaces(msgspec.Struct):
    inputs: list[_Interface] = []
    outputs: list[_Interface] = []


class _Operator(msgspec.Struct):
    id: str
    name: str
    transformation_id: str
    inputs: list[_Connector] = []
    outputs: list[_Connector] = []


class _Attached(_Interface):
    """An input, output or constant of a workflow with the connector it belongs to."""

    operator_id: str | None = None
    connector_id: str | None = None


class _End(msgspec.Struct):
    connector: _Connector
    operator: str | None = None


class _Link(msgspec.Struct):
    start: _End
    end: _End


class _Content(msgspec.Struct):
    operators: list[_Operator] = []
    links: list[_Link] = []
    inputs: list[_Attached] = []
    outputs: list[_Attached] = []
    constants: list[_Attached] = []


class _Export(Header, kw_only=True):
    type: Literal["COMPONENT", "WORKFLOW"]
    content: str | dict[str, Any]
    documentation: str = ""
    io_interface: _Interfaces = msgspec.field(default_factory=_Interfaces)
    test_wiring: dict[str, Any] | None = None


def revisions_of(path: PurePath, content: bytes) -> list[Revision]:
    """The revisions of an exported file, whose name says what it is; InvalidTransformation names file and field."""
    try:
        if path.suffix == ".py":
            return [revision_of_code(content.decode())]
        exports = msgspec.json.decode(content)
        return [_revision(each) for each in (exports if isinstance(exports, list) else [exports])]
    except UnicodeDecodeError as error:
        raise InvalidTransformation(f"{path}: it is not UTF-8: {error.reason}") from None
    except (msgspec.MsgspecError, ValueError, InvalidTransformation, InvalidWiring) as error:
        raise InvalidTransformation(f"{path}: {error}") from None


def _revision(given: object) -> Revision:
    export = msgspec.convert(_without_nulls(given), _Export)
    is_component = export.type == "COMPONENT"
    if is_component != isinstance(export.content, str):
        raise InvalidTransformation(f"its type is {export.type}, and its content is not")
    interface = export.io_interface
    return export.revision(
        documentation=export.documentation,
        inputs=tuple(_input(each) for each in interface.inputs if each.name),
        outputs=tuple(Output(each.name, each.data_type) for each in interface.outputs if each.name),
        component=Component(export.content) if isinstance(export.content, str) else None,
        workflow=None if isinstance(export.content, str) else _workflow(export.content),
        test_wiring=wiring.from_json(export.test_wiring or {}),
    )


def _without_nulls(node: Any) -> Any:
    """Null is what is left out; in filters it is a value, and defaults are null where they are left out."""
    if isinstance(node, dict):
        return {
            key: each if key == "filters" and each else _without_nulls(each)
            for key, each in node.items()
            if each is not None
        }
    return [_without_nulls(each) for each in node] if isinstance(node, list) else node


def _input(given: _Interface) -> Input:
    return Input(given.name or "", given.data_type, given.value if given.type == "OPTIONAL" else msgspec.UNSET)


def _workflow(given: dict[str, Any]) -> Workflow:
    content = msgspec.convert(given, _Content)
    ends = _Ends(content)
    links = dict.fromkeys((*ends.of_links(), *ends.of_interfaces()))
    return Workflow(
        operators=tuple(Operator(each.id, each.name, each.transformation_id) for each in content.operators),
        links=tuple(links),
        constants=tuple(Constant(ends.operators_own(each), each.value) for each in content.constants),
    )


class _Ends:
    """Finds the names of connectors, of which links have the ids."""

    def __init__(self, content: _Content) -> None:
        self._content = content
        self._constants = {each.id for each in content.constants}
        self._interfaces = {each.id: each.name for each in (*content.inputs, *content.outputs)}
        self._connectors = {
            (operator.id, each.id): each.name
            for operator in content.operators
            for each in (*operator.inputs, *operator.outputs)
        }

    def of_links(self) -> Iterator[Link]:
        """The links but for those of constants, which say themselves where they go."""
        for link in self._content.links:
            if link.start.operator or link.start.connector.id not in self._constants:
                yield Link(self._end(link.start), self._end(link.end))

    def of_interfaces(self) -> Iterator[Link]:
        """Inputs and outputs of the workflow name their connectors; most exports have links that say it again."""
        for each in self._content.inputs:
            if each.name and each.operator_id:
                yield Link(End(each.name), self.operators_own(each))
        for each in self._content.outputs:
            if each.name and each.operator_id:
                yield Link(self.operators_own(each), End(each.name))

    def operators_own(self, given: _Attached) -> End:
        """The connector that an input, output or constant of the workflow belongs to."""
        return self._connector(given.operator_id or "", given.connector_id or "")

    def _end(self, end: _End) -> End:
        if end.operator:
            return self._connector(end.operator, end.connector.id)
        name = self._interfaces.get(end.connector.id) or end.connector.name
        if not name:
            raise InvalidTransformation(f"a link ends at {end.connector.id}, which is no input or output")
        return End(name)

    def _connector(self, operator: str, connector: str) -> End:
        name = self._connectors.get((operator, connector))
        if name is None:
            raise InvalidTransformation(
                f"a link or constant names the connector {connector} of the operator {operator}, which is not there"
            )
        return End(name, operator)
