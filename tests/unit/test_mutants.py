"""The mutants fit the code as it is: a patch that no longer applies proves nothing."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster.settings import REPOSITORY
from tests.mutants.__main__ import HERE, Mutant

PATCHES = sorted(HERE.glob("*.patch"))


@pytest.mark.parametrize("path", PATCHES, ids=[path.stem for path in PATCHES])
def test_a_mutant_applies_and_names_tests_that_exist(path: Path) -> None:
    mutant = Mutant.read(path)
    check = ["git", "apply", "--check", "--recount", str(path)]
    assert subprocess.run(check, cwd=REPOSITORY, capture_output=True, text=True, check=False).stderr == ""
    files = [argument for argument in mutant.tests if argument.startswith("tests/")]
    assert files
    assert all((REPOSITORY / file).exists() for file in files)
