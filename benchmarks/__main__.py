"""Runs the benchmarks: `make bench`, or one case by its name: `CASE=at-least-once make bench`.

Contestants run one after the other, alone, and in turns over the runs, so that what else the machine does meets all of
them. What was measured goes into the file of the day, beside what was measured before on that day.
"""

import argparse
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import KafkaException

from benchmarks import latency, machine, measured, memory, picture, rate, recovery, report
from benchmarks.cases import CASES, Case, Contestant, find
from benchmarks.contestants import ContestantError
from benchmarks.kafka import Kafka
from benchmarks.measured import CaseResult, Results, Run, Runs
from tests.cluster.broker import HostBroker

RESULTS = Path(__file__).parent / "results"
PROBE_MESSAGES = 2_000_000
"""How many messages tell the most that we reach, where a share of that is asked for."""

FAILURES = (ContestantError, AssertionError, ValueError, subprocess.SubprocessError, KafkaException)
"""What a contestant may end with: a line in the table, and the others go on."""

_BROKER = {"log.segment.delete.delay.ms": "1000"}


class Bench:
    """The cases on one broker."""

    def __init__(self, kafka: Kafka, options: argparse.Namespace) -> None:
        self._kafka = kafka
        self._options = options
        self._most: dict[str, float] = {}

    def case(self, case: Case) -> CaseResult:
        """All runs of a case."""
        if self._options.messages:
            case = case.resized(self._options.messages)
        print(f"\n{case.name}: {case.title}\n  {case.settings}", flush=True)
        found: dict[str, list[Run]] = {each.label: [] for each in case.contestants}
        for number in range(self._options.runs):
            for contestant in case.contestants:
                found[contestant.label].append(self._run(case, contestant, number + 1))
        contestants = [Runs(each.label, each.messages, found[each.label]) for each in case.contestants]
        verdicts = [target.judge(contestants, machine.cores()) for target in case.targets]
        self._kafka.forget()
        return CaseResult(case.name, case.title, case.settings, contestants, verdicts)

    def _run(self, case: Case, contestant: Contestant, number: int) -> Run:
        started = time.monotonic()
        try:
            run = self._measure(case, contestant)
        except FAILURES as error:
            shown = str(error).strip() or type(error).__name__
            run = Run(failure=report.reason(shown))
        else:
            shown = report.summary(run)
        print(f"  run {number}, {contestant.label}: {shown} ({time.monotonic() - started:.0f} s)", flush=True)
        return run

    def _measure(self, case: Case, contestant: Contestant) -> Run:
        if case.measure == "rate":
            return rate.measure(self._kafka, case, contestant)
        if case.measure == "latency":
            offered = contestant.rate or round(contestant.share * self._maximum(case))
            return latency.measure(self._kafka, case, contestant, offered, self._options.seconds)
        if case.measure == "memory":
            return memory.measure(self._kafka, case, contestant)
        return recovery.measure(self._kafka, case, contestant)

    def _maximum(self, case: Case) -> float:
        """The most messages a second that kafkatrigger does under this guarantee; measured once."""
        if case.guarantee not in self._most:
            messages = min(PROBE_MESSAGES, self._options.messages or PROBE_MESSAGES)
            probe = Contestant("kafkatrigger", messages)
            self._most[case.guarantee] = rate.measure(self._kafka, replace(case, measure="rate"), probe).values["rate"]
        return self._most[case.guarantee]


def main() -> int:
    """Runs what the command line asks for; 0 also when targets are missed, since the table says so."""
    options = _options()
    if options.list:
        print("\n".join(f"{case.name:<22} {case.title}" for case in CASES))
        return 0
    cases = [find(name) for name in options.case] or list(CASES)
    with HostBroker(_BROKER) as broker:
        bench = Bench(Kafka(broker), options)
        for case in cases:
            _keep(bench.case(case), options.output)
    print(f"\nwritten to {options.output}", flush=True)
    return 0


def _keep(case: CaseResult, folder: Path) -> None:
    """Puts the case into the files of the day: what was measured is kept although a later case fails."""
    date = datetime.now(UTC).date().isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{date}.json"
    before = measured.decode(file.read_bytes()) if file.exists() else Results(date, machine.shape(), [])
    found = before.with_case(case, [each.name for each in CASES])
    notes = folder / f"{date}.notes.md"
    file.write_bytes(measured.encode(found))
    (folder / f"{date}.md").write_text(report.document(found, notes.read_text() if notes.exists() else ""))
    (folder / "latest.svg").write_text(picture.draw(found))
    print("\n".join(report.verdict_lines(case)), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measures the data path beside others.")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--case", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--messages", type=int, default=0, help="at most so many for each contestant")
    parser.add_argument("--runs", type=int, default=3, help="of each contestant; the table has the median")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each latency run")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    try:
        [find(name) for name in options.case]
    except ValueError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    sys.exit(main())
