"""Programs that answer one request, as the command line runs them in a consumer's container: there the brokers can be
reached, and their credentials are.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kafkatrigger.api import logs
from kafkatrigger.api.consumer_config import CONFIG_PATH, ConsumerConfig

Request = TypeVar("Request")


def serve(
    program: str,
    description: str | None,
    asks: tuple[str, msgspec.json.Decoder[Request]],
    answer: Callable[[ConsumerConfig, Request], Any],
    refuse: Callable[[str], Any],
) -> None:
    """One JSON line from standard input, its answer as one to standard output.

    `asks`: what such a line is called, and how it is read. `refuse` makes the answer to one that cannot be met.
    """
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument(
        "--config", type=Path, default=Path(CONFIG_PATH), help="the consumer's configuration (default: %(default)s)"
    )
    path: Path = parser.parse_args().config
    logs.configure()
    try:
        config, request = _taken(path, sys.stdin.buffer.readline(), *asks)
    except _RefusedError as error:
        answered = refuse(str(error))
    else:
        answered = answer(config, request)
    sys.stdout.buffer.write(msgspec.json.encode(answered) + b"\n")


class _RefusedError(Exception):
    """The message says why."""


def _taken(
    path: Path, line: bytes, noun: str, decoder: msgspec.json.Decoder[Request]
) -> tuple[ConsumerConfig, Request]:
    try:
        request = decoder.decode(line)
    except msgspec.DecodeError as error:
        raise _RefusedError(
            f"this is no {noun} ({error}): do the command and the consumer have the same version?"
        ) from None
    try:
        return msgspec.json.decode(path.read_bytes(), type=ConsumerConfig), request
    except (OSError, msgspec.DecodeError) as error:
        raise _RefusedError(f"the configuration {path} cannot be used: {error}") from None
