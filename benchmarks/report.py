"""Results in words: a table for each case, and what came of the targets. Pure."""

from collections.abc import Iterable

from benchmarks.measured import CaseResult, Results, Run, Runs, Verdict

MARKS = {"met": "✓ met", "missed": "✗ missed"}
_COUNTS = ("violations", "duplicates", "losses")
_SHOWN = (
    "rate",
    "offered",
    "p50",
    "p99",
    "slowest",
    "busiest thread, us",
    "recovery, s",
    "at rest, MiB",
    "under load, MiB",
)
_TITLES = {
    "rate": "messages/s",
    "offered": "offered/s",
    "p50": "p50, ms",
    "p99": "p99, ms",
    "slowest": "slowest, ms",
}


def number(value: float) -> str:
    """With as many digits as say something."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def summary(run: Run) -> str:
    """A run in one line."""
    shown = [f"{_TITLES.get(metric, metric)} {number(run.values[metric])}" for metric in _SHOWN if metric in run.values]
    wrong = [f"{run.values[metric]:.0f} {metric}" for metric in _COUNTS if run.values.get(metric)]
    return ", ".join(shown + wrong)


def reason(failure: str) -> str:
    """What of a failure is kept: not the log behind it, which may name what belongs to the machine."""
    return failure.splitlines()[0].partition(": ")[0]


def verdict_lines(case: CaseResult) -> list[str]:
    """What came of the targets of a case, for a terminal."""
    return [f"  {each.target}: {_measured(each)} {each.verdict}" for each in case.verdicts]


def document(results: Results, notes: str) -> str:
    """The whole page."""
    machine = "; ".join(f"{name} {value}" for name, value in results.machine.items())
    parts = [
        f"# Benchmarks of {results.date}",
        f"Made by `make bench` ([how it is measured](../../docs/benchmarks.md)) on: {machine}.",
        "![Messages per second of kafkatrigger and others](latest.svg)",
        "## Targets",
        _table(("case", "target", "measured", ""), _verdict_rows(results)),
        *([f"## Notes\n\n{notes.strip()}"] if notes.strip() else []),
        *(_case(case) for case in results.cases),
    ]
    return "\n\n".join(parts) + "\n"


def _verdict_rows(results: Results) -> Iterable[tuple[str, ...]]:
    for case in results.cases:
        for each in case.verdicts:
            yield case.name, each.target, _measured(each), MARKS.get(each.verdict, each.verdict)


def _measured(verdict: Verdict) -> str:
    return "" if verdict.measured is None else number(verdict.measured)


def _case(case: CaseResult) -> str:
    metrics = [metric for metric in _SHOWN if any(each.samples(metric) for each in case.contestants)]
    titles = (
        "",
        *(_TITLES.get(metric, metric) for metric in metrics),
        *_COUNTS,
        "CPU s per million",
        "peak MiB",
        "runs",
    )
    rows = [_row(each, metrics) for each in case.contestants]
    failures = [f"- {each.contestant}: {failure}" for each in case.contestants if (failure := _failure(each))]
    text = f"## {case.name}: {case.title}\n\n{case.settings}. Medians, with the lowest and the highest run.\n\n"
    text += _table(titles, rows)
    return text + ("\n\nNot measured:\n\n" + "\n".join(failures) if failures else "")


def _row(runs: Runs, metrics: list[str]) -> tuple[str, ...]:
    counts = (number(worst) if (worst := runs.worst(metric)) is not None else "" for metric in _COUNTS)
    good = [run for run in runs.runs if not run.failure]
    return (
        runs.contestant,
        *(_spread(runs, metric) for metric in metrics),
        *counts,
        _by_role([run.cpu for run in good]),
        _by_role([run.memory for run in good]),
        f"{len(good)} of {len(runs.runs)}",
    )


def _spread(runs: Runs, metric: str) -> str:
    samples, median = runs.samples(metric), runs.median(metric)
    if median is None:
        return ""
    if len(samples) == 1 or min(samples) == max(samples):
        return number(median)
    return f"{number(median)} ({number(min(samples))}–{number(max(samples))})"  # noqa: RUF001 - a range


def _by_role(runs: list[dict[str, float]]) -> str:
    """The median of each role; workers are alike and shown by the mean of their medians."""
    roles = {role: sorted(run[role] for run in runs if role in run) for run in runs for role in run}
    medians = {role: found[len(found) // 2] for role, found in roles.items()}
    workers = [value for role, value in medians.items() if role.startswith("worker")]
    shown = [f"{role} {number(value)}" for role, value in medians.items() if not role.startswith("worker")]
    if workers:
        shown.append(f"{len(workers)} x worker {number(sum(workers) / len(workers))}")
    return "<br>".join(shown)


def _failure(runs: Runs) -> str:
    failures = [run.failure for run in runs.runs if run.failure]
    return " ".join(failures[0].split()) if failures else ""


def _table(titles: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [tuple(titles), *rows]
    lines.insert(1, tuple("---" for _ in lines[0]))
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
