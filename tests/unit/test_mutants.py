"""The mutants fit the code as it is: a patch that no longer applies proves nothing."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster.settings import REPOSITORY
from tests.mutants.__main__ import BROKEN, HERE, KILLED, SURVIVED, Mutant, judged

PATCHES = sorted(HERE.glob("*.patch"))


@pytest.mark.parametrize("path", PATCHES, ids=[path.stem for path in PATCHES])
def test_a_mutant_applies_and_names_tests_that_exist(path: Path) -> None:
    mutant = Mutant.read(path)
    check = ["git", "apply", "--check", "--recount", str(path)]
    assert subprocess.run(check, cwd=REPOSITORY, capture_output=True, text=True, check=False).stderr == ""
    files = [argument for argument in mutant.tests if argument.startswith("tests/")]
    assert files
    assert all((REPOSITORY / file).exists() for file in files)


@pytest.mark.parametrize(
    ("code", "summary", "expected"),
    [
        (1, "1 failed, 3 passed in 1.51s", KILLED),
        (1, "1 failed, 1 passed, 1 error in 1.51s", KILLED),
        (1, "3 passed, 1 error in 1.51s", BROKEN),
        (5, "12 deselected in 0.51s", BROKEN),
        (4, "", BROKEN),
        (0, "3 passed in 1.51s", SURVIVED),
    ],
)
def test_a_test_that_cannot_begin_notices_nothing(code: int, summary: str, expected: str) -> None:
    assert judged(code, f"of 12 tests 1 failed\n{summary}\n").partition(":")[0] == expected
