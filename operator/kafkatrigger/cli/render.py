"""What people and programs get to see: tables and JSON. Pure."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

WIDEST_KEY = 40
"""Characters of a key in a table."""


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be."""
    lines = [titles, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    padded = ("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def json_text(given: object) -> str:
    """JSON with bytes as text, or as {"base64": ...} where they are none."""
    builtins = msgspec.to_builtins(given, builtin_types=(bytes,))
    return orjson.dumps(_readable(builtins), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()


def _readable(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _readable(value) for name, value in node.items()}
    if isinstance(node, list | tuple):
        return [_readable(each) for each in node]
    return _readable_bytes(node) if isinstance(node, bytes) else node


def _readable_bytes(content: bytes) -> object:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def printable(content: bytes | None, widest: int | None = None) -> str:
    """Bytes in one line, whatever they are: a terminal shows them and does nothing else."""
    if content is None:
        return "<none>"
    text = content.decode(errors="backslashreplace")
    safe = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return safe if widest is None or len(safe) <= widest else f"{safe[: widest - 1]}…"


def when(milliseconds: int) -> str:
    """A time as RFC 3339 in UTC; `unknown` for 0."""
    if not milliseconds:
        return "unknown"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def precisely(milliseconds: int) -> str:
    """A time as RFC 3339 in UTC, with its milliseconds."""
    text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return f"{text.removesuffix('+00:00')}Z"


def number(value: float | None) -> str:
    """As short as a person needs it: `-` where it is not known, one digit behind the point below ten."""
    if value is None:
        return "-"
    return f"{value:.1f}" if 0 < value < 10 and value != round(value) else str(round(value))


def counted(count: int, noun: str) -> str:
    """`1 key`, `2 keys`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
