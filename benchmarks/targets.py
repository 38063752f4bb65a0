"""Targets and whether they are met: pure."""

from dataclasses import dataclass

from benchmarks.measured import Runs, Verdict


@dataclass(frozen=True)
class Target:
    """A bound for a metric of a contestant, or for its ratio to the same metric of another one, in medians."""

    text: str
    contestant: str
    metric: str
    at_least: float | None = None
    at_most: float | None = None
    than: str | None = None
    """The contestant that it is a multiple of."""
    cores: int = 1
    """With fewer than these the target says nothing."""

    def judge(self, contestants: list[Runs], cores: int) -> Verdict:
        """What came of it on a machine with so many cores."""
        measured = self._measured({each.contestant: each for each in contestants})
        if measured is None:
            return Verdict(self.text, None, "not measured")
        if cores < self.cores:
            return Verdict(self.text, measured, f"needs {self.cores} cores, this machine has {cores}")
        is_met = (self.at_least is None or measured >= self.at_least) and (
            self.at_most is None or measured <= self.at_most
        )
        return Verdict(self.text, measured, "met" if is_met else "missed")

    def _measured(self, found: dict[str, Runs]) -> float | None:
        value = found[self.contestant].median(self.metric) if self.contestant in found else None
        if value is None or self.than is None:
            return value
        other = found[self.than].median(self.metric) if self.than in found else None
        return value / other if other else None
