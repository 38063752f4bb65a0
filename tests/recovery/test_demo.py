"""`make demo`, as a newcomer runs it."""

import re
import subprocess

import pytest

from tests.cluster.settings import REPOSITORY

LONGEST = 10
"""Seconds from `kubectl apply` to the first response, images present."""
SUMMARY = re.compile(r"60 messages in, 60 responses out, ([0-9.]+) s from apply to first response")


@pytest.mark.usefixtures("cluster")
def test_the_demo_ends_with_its_summary() -> None:
    done = subprocess.run(["make", "demo"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = SUMMARY.search(done.stdout)
    assert summary, done.stdout
    print(summary[0])
    assert float(summary[1]) <= LONGEST
