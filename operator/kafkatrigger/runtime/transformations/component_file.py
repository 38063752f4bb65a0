"""A component of one Python file, as hetida designer writes them. It is read, and not run."""

import ast
from typing import Any

import msgspec

from kafkatrigger.runtime.transformations import wiring
from kafkatrigger.runtime.transformations.header import Header
from kafkatrigger.runtime.transformations.model import Component, DataType, Input, Output, Revision
from kafkatrigger.runtime.transformations.problems import InvalidTransformation

_WIRING = "TEST_WIRING_FROM_PY_FILE_IMPORT"


class _InputInfo(msgspec.Struct):
    data_type: DataType
    default_value: Any = msgspec.UNSET


class _OutputInfo(msgspec.Struct):
    data_type: DataType


class _Info(Header):
    """What COMPONENT_INFO says. In older files an input or output is its type alone."""

    inputs: dict[str, DataType | _InputInfo] = msgspec.field(default_factory=dict)
    outputs: dict[str, DataType | _OutputInfo] = msgspec.field(default_factory=dict)


def revision_of_code(code: str) -> Revision:
    """The component; InvalidTransformation or InvalidWiring."""
    try:
        module = ast.parse(code)
    except (SyntaxError, ValueError) as error:
        raise InvalidTransformation(f"it is no Python: {error}") from None
    if not any(
        isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == "main" for each in module.body
    ):
        raise InvalidTransformation("it has no function main: write `def main(*, ...)`")
    try:
        info = msgspec.convert(_literal(module, "COMPONENT_INFO"), _Info)
    except msgspec.ValidationError as error:
        raise InvalidTransformation(f"COMPONENT_INFO: {error}") from None
    return info.revision(
        documentation=ast.get_docstring(module) or "",
        inputs=tuple(_input(name, each) for name, each in info.inputs.items()),
        outputs=tuple(_output(name, each) for name, each in info.outputs.items()),
        component=Component(code),
        test_wiring=wiring.from_json(_literal(module, _WIRING, {})),
    )


def _literal(module: ast.Module, name: str, default: Any = None) -> Any:
    """The value that is assigned to a name at the top of the file."""
    for each in reversed(module.body):
        targets = (
            each.targets if isinstance(each, ast.Assign) else [each.target] if isinstance(each, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            try:
                return ast.literal_eval(each.value)  # type: ignore[attr-defined]
            except ValueError:
                raise InvalidTransformation(f"{name} (line {each.lineno}) has to be a literal: it is not run") from None
    if default is None:
        raise InvalidTransformation(f"it has no {name}")
    return default


def _input(name: str, info: DataType | _InputInfo) -> Input:
    return Input(name, info) if isinstance(info, DataType) else Input(name, info.data_type, info.default_value)


def _output(name: str, info: DataType | _OutputInfo) -> Output:
    return Output(name, info if isinstance(info, DataType) else info.data_type)
