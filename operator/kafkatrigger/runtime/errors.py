"""How a failure is described: briefly, with its class and the line of the user's code that it came from."""

import sysconfig
from types import TracebackType

from kafkatrigger.api.frames import Failed

from .function import Permanent, Retriable

MESSAGE_LIMIT = 1000
"""Characters of a failure's text: it travels in a header of the dead letter."""

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class AttemptFailed(Exception):  # noqa: N818
    """The attempt fails as `failure` says."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


class FilterFailed(Exception):  # noqa: N818 - named as the reason it becomes
    """The filter cannot tell whether a message runs; the text says why."""


def bounded(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """The text, cut to `limit` characters. Lone surrogates, which no encoder takes, become question marks."""
    text = text.encode(errors="replace").decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def class_name(error: BaseException) -> str:
    """The exception's class with its module. `raise Permanent(...) from cause` is about its cause."""
    if type(error) in (Permanent, Retriable) and error.__cause__ is not None:
        error = error.__cause__
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return bounded(name, 200)


def kind_of(value: object) -> str:
    """`a dict`, `an int`."""
    name = type(value).__name__
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def text_of(error: BaseException) -> str:
    """The exception's text, even where its own `__str__` fails."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - user code
        return "(its text cannot be shown: __str__ raised)"


def innermost_line(traceback: TracebackType | None, package: str) -> str:
    """`file.py:12 in name` of the innermost frame of the user's code; "" where there is none.

    The user's code is the function's own top-level package, wherever it is installed, and what is no library.
    """
    where = ""
    while traceback is not None:
        frame = traceback.tb_frame
        module = str(frame.f_globals.get("__name__", ""))
        if _is_users(module, frame.f_code.co_filename, package):
            where = f"{_short(frame.f_code.co_filename)}:{traceback.tb_lineno} in {frame.f_code.co_name}"
        traceback = traceback.tb_next
    return where


def _is_users(module: str, file: str, package: str) -> bool:
    top = module.partition(".")[0]
    if top == package:
        return True
    return top != "kafkatrigger" and not file.startswith((*_LIBRARIES, "<frozen"))


def _short(file: str) -> str:
    return "/".join(file.rsplit("/", 2)[-2:])
