"""Runs the mutants: `python -m tests.mutants [NAME...]`; a name may be the beginning of several."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.cluster.settings import REPOSITORY

HERE = Path(__file__).parent
COPIED = ("operator", "tests", "examples", "crds", "pyproject.toml")
LONGEST = 300
"""Seconds of one mutant's tests; one that hangs is noticed as well."""
SURVIVED, KILLED, BROKEN = "SURVIVED", "killed", "BROKEN"


@dataclass(frozen=True)
class Mutant:
    """One patch."""

    path: Path
    promise: str
    tests: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> "Mutant":
        """ValueError where the two lines at the top are missing."""
        promise, tests = path.read_text().splitlines()[:2]
        if not promise.startswith("# ") or not tests.startswith("# tests: "):
            raise ValueError(
                f"{path.name}: the first line says what is promised, the second `# tests: ARGUMENTS OF PYTEST`"
            )
        return cls(path, promise.removeprefix("# "), tuple(shlex.split(tests.removeprefix("# tests: "))))

    def verdict(self) -> str:
        """Applies it to a copy and runs its tests there, which tell of it only where they pass without it."""
        if not _pass(self.tests):
            return f"{BROKEN}: its tests do not pass without it, either"
        with _copy() as copy:
            command = ["git", "apply", "--recount", str(self.path)]
            patch = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
            return f"{BROKEN}: {patch.stderr.strip()}" if patch.returncode else _outcome(copy, self.tests)


@cache
def _pass(tests: tuple[str, ...]) -> bool:
    with _copy() as copy:
        return _outcome(copy, tests) == SURVIVED


def _outcome(copy: Path, tests: Sequence[str]) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    # Processes that tests start have to find the copy, too, and not what is installed.
    environment = {**os.environ, "PYTHONPATH": str(copy / "operator")}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        return KILLED
    return judged(done.returncode, done.stdout)


def judged(code: int, output: str) -> str:
    """What pytest says of a mutant. A test that cannot even begin ends it with the same code as one that fails, and proves
    nothing: only its last line tells the two apart. Pure.
    """
    summary = output.rstrip().rpartition("\n")[2]
    if code == 1 and re.search(r"\b[1-9]\d* failed\b", summary):
        return KILLED
    return SURVIVED if code == 0 else f"{BROKEN}: pytest ended with {code}: {summary}"


@contextmanager
def _copy() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kafkatrigger-mutant-") as scratch:
        for name in COPIED:
            given, taken = REPOSITORY / name, Path(scratch, name)
            if given.is_dir():
                shutil.copytree(given, taken, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(given, taken)
        yield Path(scratch)


def main(names: Sequence[str]) -> int:
    """0 when every mutant was noticed."""
    mutants = [Mutant.read(path) for path in sorted(HERE.glob("*.patch")) if path.name.startswith(tuple(names) or "")]
    verdicts = []
    for mutant in mutants:
        started = time.monotonic()
        verdicts.append(mutant.verdict())
        print(
            f"{verdicts[-1]:<9} {time.monotonic() - started:4.0f} s  {mutant.path.stem}: {mutant.promise}", flush=True
        )
    print(f"{verdicts.count(KILLED)} of {len(mutants)} mutants were noticed")
    return 0 if mutants and set(verdicts) == {KILLED} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
