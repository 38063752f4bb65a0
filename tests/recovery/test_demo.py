"""`make demo`, as a newcomer runs it."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.cluster.settings import REPOSITORY

LONGEST = 10
"""Seconds from `kubectl apply` to the first response, images present."""
SUMMARY = re.compile(r"60 messages in, 60 responses out, ([0-9.]+) s from apply to first response")

PICTURE = re.compile(r"wrote (\S+rul_regression_result_plot.html)")


@pytest.mark.usefixtures("cluster")
def test_the_demo_ends_with_its_summary() -> None:
    done = subprocess.run(["make", "demo"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = SUMMARY.search(done.stdout)
    assert summary, done.stdout
    print(summary[0])
    picture = PICTURE.search(done.stdout)
    assert picture, done.stdout
    assert Path(picture[1]).stat().st_size > 1_000_000, "the page has all that it needs in it"
    assert float(summary[1]) <= LONGEST
