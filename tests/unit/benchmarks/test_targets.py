"""Whether targets are met."""

import pytest

from benchmarks.measured import Run, Runs, Verdict
from benchmarks.targets import Target


def runs(name: str, *rates: float) -> Runs:
    return Runs(name, 1, [Run({"rate": rate}) for rate in rates])


RATIO = Target("ours >= 4 x theirs", "ours", "rate", at_least=4, than="theirs")


@pytest.mark.parametrize(("rate", "verdict"), [(400.0, "met"), (399.0, "missed")])
def test_a_ratio_is_one_of_medians(rate: float, verdict: str) -> None:
    found = [runs("ours", rate, 1.0, 9999.0), runs("theirs", 100.0, 100.0, 9999.0)]
    assert RATIO.judge(found, cores=2) == Verdict(RATIO.text, rate / 100, verdict)


def test_an_upper_bound() -> None:
    target = Target("violations", "ours", "violations", at_most=0)
    assert target.judge([Runs("ours", 1, [Run({"violations": 0})])], 2).verdict == "met"
    assert target.judge([Runs("ours", 1, [Run({"violations": 1})])], 2).verdict == "missed"


def test_a_contestant_that_failed_is_not_measured() -> None:
    failed = Runs("ours", 1, [Run(failure="it ended")])
    assert RATIO.judge([failed, runs("theirs", 1.0)], 2) == Verdict(RATIO.text, None, "not measured")
    assert RATIO.judge([runs("ours", 1.0)], 2).verdict == "not measured"


def test_a_machine_with_too_few_cores_cannot_tell() -> None:
    target = Target("4 workers", "ours", "rate", at_least=10, cores=5)
    assert target.judge([runs("ours", 1.0)], cores=2) == Verdict("4 workers", 1.0, "needs 5 cores, this machine has 2")
    assert target.judge([runs("ours", 1.0)], cores=5).verdict == "missed"
