"""A screen that is drawn again and again until Ctrl-C."""

import contextlib
import shutil
import time
from collections.abc import Callable

import click

from kafkatrigger.cli.reach import ReachError

INTERVAL = 2.0
"""Seconds between two screens, or two looks."""


def live(draw: Callable[[], str]) -> None:
    """Until Ctrl-C. ReachError where even the first screen cannot be drawn; later, the last one stays with a line below."""
    with contextlib.suppress(KeyboardInterrupt):
        _show(draw())
        while True:
            time.sleep(INTERVAL)
            try:
                _show(draw())
            except ReachError as error:
                click.echo(error.message, err=True)


def _show(text: str) -> None:
    columns, lines = shutil.get_terminal_size()
    click.clear()
    click.echo(fitted(text, columns, lines - 1))


def fitted(text: str, columns: int, lines: int) -> str:
    """As much of a text as there is room for; the last line says that there is more. Pure."""
    given = [line if len(line) <= columns else f"{line[: columns - 1]}…" for line in text.split("\n")]
    if len(given) <= lines:
        return "\n".join(given)
    return "\n".join([*given[: lines - 1], f"and {len(given) - lines + 1} more lines: enlarge the window"])
