"""All tests, one summary: `python -m tests.run [static|unit|integration|e2e|recovery ...]`.

Suites run one after the other, each in a process of its own, with its time against a budget. What they need (programs, a
cluster, images) is installed first: nothing has to be prepared.
"""

import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import static
from tests.cluster import commands, provider
from tests.cluster.errors import ClusterError, UnsupportedMachineError

Counts = Counter[str]
"""passed, failed, skipped"""


@dataclass(frozen=True)
class Suite:
    """A suite, its budget in seconds (programs and images installed), and how it runs."""

    name: str
    budget: int
    run: Callable[[], Counts]


def _pytest(folders: str, *options: str) -> Callable[[], Counts]:
    def run() -> Counts:
        with tempfile.TemporaryDirectory() as scratch:
            report = Path(scratch, "report.xml")
            command = [sys.executable, "-m", "pytest", *folders.split(), "-q", f"--junitxml={report}", *options]
            code = subprocess.run(command, check=False).returncode
            counts = _counts(report)
        if code and not counts["failed"]:
            counts["failed"] += 1  # it did not even get to its tests
        return counts

    return run


def _counts(report: Path) -> Counts:
    counts = Counter[str]()
    if report.exists():
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314 - pytest wrote it a moment ago
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            counts += Counter(failed=bad, skipped=skipped, passed=int(suite.get("tests", 0)) - bad - skipped)
    return counts


SUITES = (
    Suite("static", 60, static.run),
    Suite("unit", 180, _pytest("tests/unit tests/cluster tests/simulation")),
    # A file stays together: brokers and API servers are started once for each of the two.
    Suite("integration", 900, _pytest("tests/integration", "--numprocesses=2", "--dist=loadfile")),
    Suite("e2e", 900, _pytest("tests/e2e", "--numprocesses=4")),
    # Alone, because it ends the cluster under everybody's feet and brings it up again.
    Suite("recovery", 300, _pytest("tests/recovery")),
)
_NEEDS_TOOLS = {"integration"}
_NEEDS_CLUSTER = {"e2e", "recovery"}


def main(names: Sequence[str]) -> int:
    """Runs the suites of these names, or all; 0 when nothing failed."""
    suites = [suite for suite in SUITES if suite.name in (names or [each.name for each in SUITES])]
    unknown = set(names) - {suite.name for suite in SUITES}
    if unknown:
        print(f"no such suite: {', '.join(sorted(unknown))}; there are: {', '.join(suite.name for suite in SUITES)}")
        return 2
    lines, total = [], Counter[str]()
    lines.append(_line("preparation", *_timed(lambda: _prepare({suite.name for suite in suites})), None))
    for suite in suites:
        print(f"\n=== {suite.name} ===", flush=True)
        counts, seconds = _timed(suite.run)
        total += counts
        lines.append(_line(suite.name, counts, seconds, suite.budget))
    print("\n=== summary ===", *lines, sep="\n")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped", flush=True)
    return 1 if total["failed"] else 0


def _prepare(names: set[str]) -> Counts:
    """Brings up what the suites need. Where this machine cannot, their tests skip and say why."""
    try:
        if names & _NEEDS_CLUSTER:
            commands.everything(provider.choose())
        elif names & _NEEDS_TOOLS:
            commands.tools()
    except UnsupportedMachineError as error:
        print(error.describe())
    except ClusterError as error:
        print(error.describe(), file=sys.stderr)
        raise SystemExit(1) from None
    return Counter()


def _timed(action: Callable[[], Counts]) -> tuple[Counts, float]:
    started = time.monotonic()
    return action(), time.monotonic() - started


def _line(name: str, counts: Counts, seconds: float, budget: int | None) -> str:
    against = f"of {budget:4d} s{'' if seconds <= budget else ': OVER BUDGET'}" if budget else ""
    numbers = ", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "skipped") if counts[kind])
    return f"{name:<12} {seconds:6.0f} s {against:<12} {numbers}".rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
