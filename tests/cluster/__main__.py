"""Command line: `python3 -m tests.cluster COMMAND`."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from . import commands, provider
from .errors import ClusterError, UnsupportedMachineError
from .settings import CACHE, TARGETS

_UNSUPPORTED = 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.cluster", description="A local Kubernetes with Apache Kafka."
    )
    found = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("up", "bring the cluster up; does nothing but check when it is"),
        ("all", "tools, cluster, images and Kafka, side by side where that is faster"),
    ):
        command = found.add_parser(name, help=text)
        command.add_argument("--audit", action="store_true", help="with an audit log of every request (native only)")
    images = found.add_parser("images", help="build the project's images and load them into the cluster")
    images.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of: {', '.join(TARGETS)} (default: all)")
    images.add_argument("--file", type=Path, help="a Dockerfile of your own, with its folder as context")
    images.add_argument("--tag", help="the name of the image that is built from --file")
    images.add_argument(
        "--build-arg", action="append", default=[], metavar="NAME=VALUE", help="of the Dockerfile given with --file"
    )
    found.add_parser("tools", help="only the programs that tests start themselves")
    found.add_parser("kafka", help="run Apache Kafka in the cluster")
    found.add_parser("status", help="say what is up")
    found.add_parser("down", help="end the cluster and leave nothing of it; caches stay")
    found.add_parser("clean", help="down, and remove the caches")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = _parser().parse_args(arguments)
    try:
        _run(parsed)
    except ClusterError as error:
        print(error.describe(), file=sys.stderr)
        return _UNSUPPORTED if isinstance(error, UnsupportedMachineError) else 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(parsed: argparse.Namespace) -> None:
    match parsed.command:
        case "up":
            commands.up(provider.choose(audit=parsed.audit))
        case "all":
            commands.everything(provider.choose(audit=parsed.audit))
        case "tools":
            commands.tools()
        case "images":
            commands.images(
                provider.choose(), commands.selected(parsed.targets, parsed.file, parsed.tag, parsed.build_arg)
            )
        case "kafka":
            commands.kafka(provider.choose())
        case "status":
            commands.status(provider.choose())
        case "down":
            provider.down()
        case "clean":
            provider.down()
            shutil.rmtree(CACHE, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
