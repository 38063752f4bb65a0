"""Messages a second, as the broker sees them: from the first response to the commit of the last message.

The same for every contestant, and a contestant has no part in it. CPU is counted over the same time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks import processes
from benchmarks.cases import Case, Contestant
from benchmarks.contestants import ContestantError, Running, running
from benchmarks.history import History
from benchmarks.kafka import Kafka
from benchmarks.loads import passes_filter
from benchmarks.measured import Run

POLL_FIRST = 0.005
POLL = 0.02
PATIENCE = 60.0
"""Seconds without progress after which a contestant has failed."""


@dataclass(frozen=True)
class Cost:
    """CPU seconds by role, and by thread."""

    seconds: dict[str, float]
    threads: dict[int, float]
    """Of the contestant alone: what bounds it however many cores there are."""

    @classmethod
    def of(cls, contestant: Running, broker: int) -> "Cost":
        """What its processes, and the broker beside them, have used so far."""
        roles = contestant.processes()
        threads = {thread: used for pid in roles.values() for thread, used in processes.thread_seconds(pid).items()}
        return cls({role: processes.cpu_seconds(pid) for role, pid in {**roles, "broker": broker}.items()}, threads)

    def per_million(self, begin: "Cost", messages: int) -> dict[str, float]:
        """What was used since `begin`, for so many messages."""
        used = {role: seconds - begin.seconds.get(role, 0.0) for role, seconds in self.seconds.items()}
        return {role: seconds / messages * 1e6 for role, seconds in used.items()}

    def busiest(self, begin: "Cost", messages: int) -> float:
        """The same of the thread that used most."""
        used = (seconds - begin.threads.get(thread, 0.0) for thread, seconds in self.threads.items())
        return max(used, default=0.0) / messages * 1e6


def measure(kafka: Kafka, case: Case, contestant: Contestant) -> Run:
    """One run: `ContestantError` when it does not get to its end."""
    source = kafka.filled(replace(case.load, messages=contestant.messages))
    target = kafka.create()
    try:
        with running(contestant, case.guarantee, kafka.bootstrap, source, target) as at_work:
            run = _timed(kafka, at_work, source, target, contestant.messages)
        history = kafka.history(target, History(passes_filter if contestant.filter else None))
        return Run({**run.values, **wrongs(history, contestant.messages)}, run.cpu, run.memory)
    finally:
        kafka.delete(target)


def wrongs(history: History, sent: int) -> dict[str, float]:
    """What is wrong with the responses to the first `sent` messages."""
    return {
        "violations": history.violations,
        "duplicates": history.duplicates,
        "losses": history.losses(sent),
    }


def peaks(contestant: Running) -> dict[str, float]:
    """The most that its processes ever had in memory, in MiB."""
    return {role: processes.resident(pid, "VmHWM") for role, pid in contestant.processes().items()}


def _timed(kafka: Kafka, contestant: Running, source: str, target: str, count: int) -> Run:
    group = kafka.group(contestant.group)
    try:
        _wait(contestant, "response", POLL_FIRST, lambda: sum(kafka.ends(target).values()), lambda done: done > 0)
        start, before, begin = time.monotonic(), sum(kafka.ends(target).values()), Cost.of(contestant, kafka.broker)
        _wait(contestant, "commit", POLL, lambda: sum(group.committed(source).values()), lambda done: done >= count)
        seconds = time.monotonic() - start
        end = Cost.of(contestant, kafka.broker)
    finally:
        group.close()
    if before >= count:
        raise ContestantError(f"{count} messages were too few: all were answered before the first look")
    values = {
        "rate": (count - before) / seconds,
        "seconds": seconds,
        "busiest thread, us": end.busiest(begin, count - before),
    }
    return Run(values, end.per_million(begin, count - before), peaks(contestant))


def _wait(
    contestant: Running, what: str, interval: float, look: Callable[[], int], enough: Callable[[int], bool]
) -> None:
    seen, deadline = 0, time.monotonic() + PATIENCE
    while not enough(now := look()):
        if now > seen:
            seen, deadline = now, time.monotonic() + PATIENCE
        contestant.check()
        if time.monotonic() > deadline:
            raise ContestantError(f"no {what} for {PATIENCE:.0f} s, at {now} messages: {contestant.log}")
        time.sleep(interval)
