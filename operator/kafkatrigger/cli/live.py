"""A screen that is drawn again and again until Ctrl-C."""

import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from kafkatrigger.cli.reach import ReachError

INTERVAL = 2.0
"""Seconds between two screens, or two looks."""


def live(draw: Callable[[], str]) -> None:
    """Until Ctrl-C. ReachError where even the first screen cannot be drawn; later, the last one stays with a line below."""
    with _interrupt() as interrupted:
        _show(draw())
        while not interrupted.wait(INTERVAL):
            try:
                _show(draw())
            except ReachError as error:
                click.echo(error.message, err=True)


@contextmanager
def _interrupt() -> Iterator[threading.Event]:
    """Set by Ctrl-C, which so never ends a screen in its middle; the second one ends whatever is under way."""
    interrupted = threading.Event()

    def handle(_: int, __: FrameType | None) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


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
