"""What functions noted of their runs (`functions.tell` with a `log` in the value), and questions to it. Pure but for `read`."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

Place = tuple[str, int, int]
"""Topic, partition and offset."""


class Run(NamedTuple):
    """One attempt at one message."""

    place: Place
    number: int
    attempt: int
    process: int
    begin: float
    end: float
    """Infinite where the process was killed before."""


def read(path: Path) -> list[Run]:
    """All runs so far, in the order in which they began."""
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    open_runs: dict[tuple[Place, int], Run] = {}
    done: list[Run] = []
    for line in lines:
        place = line["topic"], line["partition"], line["offset"]
        at = place, line["process"]
        if line["what"] == "begin":
            if at in open_runs:
                done.append(open_runs[at])
            open_runs[at] = Run(place, line["n"], line["attempt"], line["process"], line["at"], float("inf"))
        elif at in open_runs:
            done.append(open_runs.pop(at)._replace(end=line["at"]))
    return sorted([*done, *open_runs.values()], key=lambda run: run.begin)


def attempts(runs: Iterable[Run]) -> dict[int, list[int]]:
    """The numbers of the attempts at each message, in their order."""
    found: dict[int, list[int]] = defaultdict(list)
    for run in runs:
        found[run.number].append(run.attempt)
    return dict(found)


def overlaps(runs: Sequence[Run], lane: dict[int, object]) -> list[tuple[Run, Run]]:
    """Pairs of runs of one lane that were under way at the same time; `lane` names that of each message.

    A run whose process was killed ended before the next one of its lane began, or nobody can say.
    """
    by_lane: dict[object, list[Run]] = defaultdict(list)
    for run in runs:
        by_lane[lane[run.number]].append(run)
    return [
        (before, after)
        for each in by_lane.values()
        for before, after in itertools.pairwise(each)
        if before.end != float("inf") and after.begin < before.end
    ]


def most_at_once(runs: Iterable[Run]) -> int:
    """How many were under way at the same time, at most."""
    changes = sorted([(run.begin, 1) for run in runs] + [(run.end, -1) for run in runs])
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most
