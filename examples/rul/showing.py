"""What both demos show, and how."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MESSAGES = 60
PICTURES = Path(tempfile.gettempdir(), "kafkatrigger-demo")
"""Where the picture of the last response is, for people to look at."""


class Failure(Exception):  # noqa: N818 - reads well where it is raised
    """The demo cannot go on."""


def say(text: str) -> None:
    """A line that stands out: what is done next."""
    print(f"\n\033[1m$ {text}\033[0m" if sys.stdout.isatty() else f"\n$ {text}", flush=True)


def told(command: list[str]) -> None:
    """Runs a command that shows what it does; Failure when it fails."""
    if subprocess.run(command, check=False).returncode:
        raise Failure(f"this failed: {' '.join(command)}")


def watched(brokers: str, since: float) -> dict[str, Any]:
    """Shows the responses as they arrive, and the picture of the last; what the watcher says of them, or Failure when too few
    come.
    """
    say(f"python examples/rul/watch.py --brokers {brokers}")
    with tempfile.TemporaryDirectory() as folder:
        summary, last = Path(folder, "summary.json"), Path(folder, "last.json")
        told([
            *(sys.executable, str(HERE / "watch.py"), "--brokers", brokers, "--count", str(MESSAGES)),
            *("--since", str(since), "--summary", str(summary), "--last", str(last)),
        ])  # fmt: skip
        say("kafkatrigger plot last-response.json")
        told([sys.executable, "-m", "kafkatrigger.cli", "plot", str(last), "--output-dir", str(PICTURES)])
        found: dict[str, Any] = json.loads(summary.read_text())
        return found


def summary_line(summary: dict[str, Any], started: float, what: str) -> str:
    """The last line of a demo."""
    seconds = summary["first_response_time"] - started
    return (
        f"\n{MESSAGES} messages in, {summary['responses']} responses out, {seconds:.1f} s from {what} to first response"
    )
