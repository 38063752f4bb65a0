"""What was measured: the file that is kept, and the statistics that are made of it."""

import statistics
from typing import Any

import msgspec


class Run(msgspec.Struct, frozen=True):
    """One run of one contestant. Rates are messages a second, latencies milliseconds, the rest says its unit."""

    values: dict[str, float] = {}
    cpu: dict[str, float] = {}
    """CPU seconds per million messages, by process."""
    memory: dict[str, float] = {}
    """Peak resident memory in MiB, by process."""
    failure: str = ""
    """Why there is nothing measured."""


class Runs(msgspec.Struct, frozen=True):
    """All runs of one contestant of a case."""

    contestant: str
    messages: int
    runs: list[Run]

    def samples(self, metric: str) -> list[float]:
        """The values of a metric over the runs that have it."""
        return [run.values[metric] for run in self.runs if metric in run.values]

    def median(self, metric: str) -> float | None:
        """The median of a metric; None where no run has it."""
        found = self.samples(metric)
        return statistics.median(found) if found else None

    def worst(self, metric: str) -> float | None:
        """The largest value of a metric; None where no run has it."""
        return max(self.samples(metric), default=None)


class Verdict(msgspec.Struct, frozen=True):
    """A target and what came of it: `met`, `missed`, `not measured`, or why this machine cannot tell."""

    target: str
    measured: float | None
    verdict: str


class CaseResult(msgspec.Struct, frozen=True):
    """A case with everything that was measured in it."""

    name: str
    title: str
    settings: str
    contestants: list[Runs]
    verdicts: list[Verdict] = []

    def of(self, contestant: str) -> Runs | None:
        """The runs of a contestant; None where it did not take part."""
        return next((each for each in self.contestants if each.contestant == contestant), None)


class Results(msgspec.Struct, frozen=True):
    """A whole file."""

    date: str
    machine: dict[str, str]
    cases: list[CaseResult]

    def with_case(self, case: CaseResult, order: list[str]) -> "Results":
        """The same with this case in place of what was measured of it before."""
        cases = [each for each in self.cases if each.name != case.name]
        cases = sorted([*cases, case], key=lambda each: order.index(each.name) if each.name in order else len(order))
        return msgspec.structs.replace(self, cases=cases)


def decode(data: bytes) -> Results:
    """Reads a file; msgspec.DecodeError when it is none."""
    return msgspec.json.decode(data, type=Results)


def encode(results: Results) -> bytes:
    """The file, with one value a line, so that a change can be read."""
    plain: Any = msgspec.to_builtins(results)
    return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"
