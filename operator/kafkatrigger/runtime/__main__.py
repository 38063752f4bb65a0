"""`python -m kafkatrigger.runtime`: runs the functions of a trigger for a consumer that connects to a Unix socket."""

import argparse
import asyncio
import sys
from pathlib import Path

from kafkatrigger.api import logs

from .memory import budget
from .supervisor import Supervisor


def main() -> None:
    """Entry point."""
    arguments = _parser().parse_args()
    logs.configure()
    logs.follow_level()
    limit = budget() if arguments.memory_limit is None else arguments.memory_limit
    try:
        asyncio.run(_serve(arguments.socket, arguments.workers, limit))
    except OSError as error:
        sys.exit(f"cannot listen on {arguments.socket}: {error}")


async def _serve(path: Path, workers: int, memory_budget: int | None) -> None:
    await Supervisor(path, workers, memory_budget).run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m kafkatrigger.runtime",
        description="Runs the function of a trigger in worker processes, for the consumer that connects to its socket.",
        epilog="The consumer names the function, as module:function. Modules are looked for in the working directory, "
        "in PYTHONPATH and among the installed packages. Logs go to standard error, as text or as JSON "
        "(KAFKATRIGGER_LOG_FORMAT=json), from KAFKATRIGGER_LOG_LEVEL (INFO) on.",
    )
    parser.add_argument(
        "--socket",
        type=Path,
        required=True,
        metavar="PATH",
        help="Unix socket to listen on; what an earlier runtime left there is replaced",
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        required=True,
        metavar="N",
        help="worker processes; each runs one message at a time",
    )
    parser.add_argument(
        "--memory-limit",
        type=_positive,
        metavar="BYTES",
        help="memory that the workers may use together, before the largest is ended; "
        "by default the container's limit less a tenth (at least 32 MiB), and none without a container's limit",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


if __name__ == "__main__":
    main()
