"""The code of a component as a function, made once."""

import functools
import linecache
import sys
import types
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from kafkatrigger.runtime.transformations import hdutils, removed
from kafkatrigger.runtime.transformations.problems import InvalidTransformation

Main = Callable[..., Any]
FILE = "COMPONENT CODE"
"""What components' files are called in tracebacks, with their id behind it."""
MODULES = "kafkatrigger_component_"
"""What components' modules are called, with their id behind it."""
_CACHED = 4096


class CodeFailed(InvalidTransformation):
    """The code cannot be loaded; `__cause__` is what it raised."""


@functools.lru_cache(maxsize=_CACHED)
def load(identity: str, code: str) -> Main:
    """The `main` of a component's code; CodeFailed. The code is a module: what it keeps in globals stays."""
    hdutils.provide()
    file = f"{FILE} {identity}"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    module = types.ModuleType(f"{MODULES}{identity.replace('-', '_')}")
    module.__file__ = file
    sys.modules[module.__name__] = module  # dataclasses and pickle look for it there
    try:
        removed.restore(code)
        exec(compile(code, file, "exec", dont_inherit=True), vars(module))  # noqa: S102 - what a component is for
    except (Exception, SystemExit) as error:
        raise CodeFailed(f"the code cannot be loaded: {type(error).__name__}: {error}") from error
    main = vars(module).get("main")
    if not callable(main):
        raise CodeFailed("the code has no function main: write `def main(*, ...)`")
    return main  # type: ignore[no-any-return]


def place(error: BaseException) -> Mapping[str, Any] | None:
    """File, function and line of the innermost frame of a component, or of its syntax error."""
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(FILE):
        return {"file": FILE, "function_name": None, "line_number": error.lineno}
    found, traceback = None, error.__traceback__
    while traceback is not None:
        if is_components(traceback):
            name = traceback.tb_frame.f_code.co_name
            found = {"file": FILE, "function_name": name, "line_number": traceback.tb_lineno}
        traceback = traceback.tb_next
    return found


def is_components(traceback: TracebackType) -> bool:
    """Whether a frame is one of a component's code."""
    return traceback.tb_frame.f_code.co_filename.startswith(FILE)
