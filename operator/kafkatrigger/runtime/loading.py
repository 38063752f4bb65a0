"""Finding the function that a trigger names and how it is to be run, and saying why that failed.

Modules are looked for where Python does: the working directory of the runtime, PYTHONPATH, installed packages.
"""

import importlib
import inspect
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

from kafkatrigger.api.frames import Work

from .errors import bounded, class_name, innermost_line, kind_of, text_of
from .function import Message, batching_of

Function = Callable[..., Any]
Accepts = Callable[[Message], bool]
_CORRECT = "correct spec.transformation.function"


class LoadError(Exception):
    """The function cannot be loaded; the text says why and what to do."""


def what_runs(work: Work) -> str:
    """For sentences: the function, or the transformation, or that requests say it."""
    if work.transforming is None:
        return work.function
    return "what is requested" if work.transforming.is_request else f"the transformation {work.transforming.ref}"


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
    if batching_of(function) is not None and (is_async(function) or _is_generator(function)):
        raise LoadError(
            "a batch function is an ordinary one that returns a list: write it without async and yield, or take @batch away"
        )
    checked: Function = function
    return checked


def is_async(function: Any) -> bool:
    """Whether calling the function yields something to await or to iterate over on an event loop."""
    return _has(function, inspect.iscoroutinefunction) or is_async_generator(function)


def is_async_generator(function: Any) -> bool:
    """Whether the function is `async def` with `yield` in it."""
    return _has(function, inspect.isasyncgenfunction)


def _is_generator(function: Any) -> bool:
    return _has(function, inspect.isgeneratorfunction)


def _has(function: Any, kind: Callable[[Any], bool]) -> bool:
    """Whether a function, or the `__call__` of an object, is of a kind; looks through functools.partial."""
    while isinstance(function, partial):
        function = function.func
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004 - the method is what counts
