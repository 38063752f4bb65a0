"""Finding the function that a trigger names, and saying why that failed.

Modules are looked for where Python does: the working directory of the runtime, PYTHONPATH, installed packages.
"""

import importlib
import inspect
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

from .errors import bounded, class_name, innermost_line, kind_of, text_of
from .function import Message

Function = Callable[[Message], Any]
_CORRECT = "correct spec.transformation.function"


class LoadError(Exception):
    """The function cannot be loaded; the text says why and what to do."""


def load(reference: str) -> Function:
    """The function that `module:function` names."""
    try:
        module_name, attribute = _parts(reference)
        return _checked(_attribute(_module(module_name), attribute))
    except LoadError as error:
        raise LoadError(bounded(f"the function {reference} cannot be loaded: {error}")) from None


def _parts(reference: str) -> tuple[str, str]:
    module, colon, attribute = reference.partition(":")
    if not (colon and module and attribute):
        raise LoadError(f"it is not of the form module:function: {_CORRECT}")
    return module, attribute


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise LoadError(
                f"there is no module {error.name} in the runtime image: add it to the image or {_CORRECT}"
            ) from None
        raise LoadError(_import_problem(name, error)) from None
    except BaseException as error:  # noqa: BLE001 - user code, which may even exit
        raise LoadError(_import_problem(name, error)) from None


def _import_problem(module: str, error: BaseException) -> str:
    package = module.partition(".")[0]
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}"
    else:
        where = innermost_line(error.__traceback__, package)
    place = f" ({where})" if where else ""
    return f"importing {module} raised {class_name(error)}: {text_of(error)}{place}: correct the module or the image"


def _attribute(module: Any, attribute: str) -> Any:
    try:
        return attrgetter(attribute)(module)
    except AttributeError:
        raise LoadError(
            f"the module {module.__name__} has no {attribute}: add it to the module or {_CORRECT}"
        ) from None


def _checked(function: Any) -> Function:
    if not callable(function):
        raise LoadError(f"it is {kind_of(function)}, not a function: {_CORRECT}")
    if _is_async(function) or _is_async(getattr(function, "__call__", None)):  # noqa: B004 - the method is what counts
        raise LoadError("it is an async function, which this version does not run: make it an ordinary one (def)")
    checked: Function = function
    return checked


def _is_async(function: Any) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
