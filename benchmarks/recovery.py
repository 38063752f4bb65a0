"""Recovery: two pods share the partitions, one is killed without a word; until its partitions flow again.

A partition flows again when something is committed that was produced after the kill.
"""

import time

from benchmarks.cases import Case, Contestant
from benchmarks.contestants import PROGRAMS, ContestantError, trigger
from benchmarks.history import History
from benchmarks.kafka import Group, Kafka
from benchmarks.measured import Run
from benchmarks.rate import PATIENCE, wrongs
from benchmarks.traffic import traffic
from tests.support.pipeline import Pod
from tests.support.waiting import until

GENERATE_SECONDS = 120.0
"""Longer than any recovery takes."""

POLL = 0.1


def measure(kafka: Kafka, case: Case, contestant: Contestant) -> Run:
    """One run: `ContestantError` when the partitions do not flow again."""
    source, target = kafka.create(), kafka.create()
    spec = trigger(contestant, case.guarantee, kafka.bootstrap, source, target)
    with Pod(spec, functions=PROGRAMS) as victim, Pod(spec, victim.config.name, PROGRAMS) as survivor:
        group = kafka.group(victim.config.group_id)
        with traffic(kafka.bootstrap, source, contestant.rate, GENERATE_SECONDS, case.load.size):
            until(lambda: min(len(_owned(victim)), len(_owned(survivor))) > 0, PATIENCE, "partitions for both pods")
            lost = _owned(victim)
            until(lambda: _flow(group, source, lost, dict.fromkeys(lost, 0)), PATIENCE, "commits")
            seconds = _kill(kafka, group, source, victim, lost)
        sent = kafka.ends(source)
        until(lambda: group.committed(source) == sent, PATIENCE, "the commit of the last message")
        group.close()
        survivor.stop()
    written = kafka.history(source, History())  # the generator was ended: not every number has been written
    history = kafka.history(target, History(written.has))
    values = {"recovery, s": seconds, **wrongs(history, round(contestant.rate * GENERATE_SECONDS))}
    kafka.delete(source)
    kafka.delete(target)
    return Run(values)


def _owned(pod: Pod) -> set[int]:
    status = pod.status
    return {each.partition for each in status.partitions} if status else set()


def _kill(kafka: Kafka, group: Group, source: str, victim: Pod, lost: set[int]) -> float:
    """Seconds from the kill until all of the victim's partitions flow."""
    start = time.monotonic()
    victim.kill()
    ends = kafka.ends(source)
    while not _flow(group, source, lost, ends):
        if time.monotonic() > start + GENERATE_SECONDS / 1.5:
            raise ContestantError(
                f"the partitions of the killed pod did not flow again within {GENERATE_SECONDS / 1.5:.0f} s"
            )
        time.sleep(POLL)
    return time.monotonic() - start


def _flow(group: Group, source: str, partitions: set[int], beyond: dict[int, int]) -> bool:
    committed = group.committed(source)
    return all(committed[number] > beyond[number] for number in partitions)
