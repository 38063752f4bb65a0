"""The static suite: everything that is known without running the project. Each check is a command that anyone can run."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.settings import REPOSITORY
from tests.cluster.tools import tools

_BIN = Path(sys.executable).parent
_PACKAGES = ("operator/kafkatrigger", "tests", "examples", "benchmarks", "docs")


def _checks() -> dict[str, list[str]]:
    found = {
        "format": [f"{_BIN}/ruff", "format", "--check", "."],
        "lint": [f"{_BIN}/ruff", "check", "."],
        "types": [f"{_BIN}/mypy", *_PACKAGES],
        "import rules": [f"{_BIN}/lint-imports"],
        "generated files": ["make", "--silent", "check-generated"],
    }
    try:
        found["chart"] = [str(tools().helm), "lint", "--strict", "charts/kafkatrigger"]
    except ClusterError as error:
        print(f"chart: skipped, {error}")
    return found


def run() -> Counter[str]:
    """Runs every check; the output of those that fail is shown."""
    counts = Counter[str]()
    for name, command in _checks().items():
        started = time.monotonic()
        result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        counts["failed" if result.returncode else "passed"] += 1
        print(
            f"{name:<16} {'failed' if result.returncode else 'ok':<7} {time.monotonic() - started:4.0f} s", flush=True
        )
        if result.returncode:
            print(result.stdout + result.stderr, flush=True)
    return counts
