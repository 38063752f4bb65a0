"""Runs commands; their output goes to the log of the step that runs them."""

import contextlib
import contextvars
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from .errors import ClusterError
from .settings import LOGS

Command = Sequence[str | Path]

_log: contextvars.ContextVar[str] = contextvars.ContextVar("log", default="cluster")
_LINES_SHOWN = 20


@contextlib.contextmanager
def logging_to(name: str) -> Iterator[Path]:
    """Sends the output of every command of this thread to a log of this name, which starts empty."""
    LOGS.mkdir(parents=True, exist_ok=True)
    token = _log.set(name)
    current_log().write_text("")
    try:
        yield current_log()
    finally:
        _log.reset(token)


def current_log() -> Path:
    return LOGS / f"{_log.get()}.log"


def run(
    command: Command,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    advice: str = "",
) -> None:
    """Runs a command to its end, raises `ClusterError` with the last lines of its output when it fails."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = current_log()
    with log.open("a+") as output:
        output.write(f"$ {shlex.join(map(str, command))}\n")
        output.flush()
        start = output.tell()
        code = _call(command, cwd=cwd, env=env, stdin=stdin, stdout=output, stderr=subprocess.STDOUT).returncode
        if code != 0:
            output.seek(start)
            raise ClusterError(_describe(command, code, output.read()), advice, log)


def output_of(command: Command) -> str:
    """The standard output of a command; raises `ClusterError` when it fails."""
    result = _call(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode != 0:
        raise ClusterError(_describe(command, result.returncode, result.stdout + result.stderr))
    return result.stdout


def succeeds(command: Command) -> bool:
    """Whether a command can be run and ends with 0."""
    try:
        return _call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except ClusterError:
        return False


def _call(
    command: Command,
    *,
    stdout: int | IO[str],
    stderr: int,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdout=stdout,
            stderr=stderr,
            input=stdin or "",
            text=True,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{command[0]} is not installed", f"install {command[0]} and try again") from error


def _describe(command: Command, code: int, output: str) -> str:
    tail = output.splitlines()[-_LINES_SHOWN:]
    shown = shlex.join(map(str, command))
    shown = shown if len(shown) < 200 else shown[:200] + " ..."
    return "\n".join([f"`{shown}` ended with {code}", *(f"    {line}" for line in tail)])
