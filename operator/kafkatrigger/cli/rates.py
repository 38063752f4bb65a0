"""How fast messages flow, from two looks at what a pod counts. Pure.

What arrives is measured by the ends of the logs, as of the pod's latest fetch: in offsets, of which transactions use up
some without a message. A rate is None where it is not known: at a first look, or when a process began anew in between.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kafkatrigger.api.pod_status import PartitionStatus, PodStatus

Pods = Mapping[str, PodStatus]
"""What consumers say of themselves, by name."""


class Rates(NamedTuple):
    """Each for a second."""

    arrived: float | None = None
    """Offsets that were written to the source."""
    done: float | None = None
    """Messages, or offsets of a partition, that became terminal."""
    failed: float | None = None
    """Attempts that failed; of a pod alone."""

    def document(self) -> dict[str, float | None]:
        """For programs."""
        return {"arrivedPerSecond": self.arrived, "donePerSecond": self.done, "failedPerSecond": self.failed}


UNKNOWN = Rates()


def of_pods(before: Pods, now: Pods) -> Rates:
    """Of all pods that were seen twice."""
    each = [of_pod(before.get(name), pod) for name, pod in now.items()]
    return Rates(*(total(rates) for rates in zip(*each, strict=True))) if each else UNKNOWN


def of_pod(before: PodStatus | None, now: PodStatus) -> Rates:
    """Of one pod."""
    if before is None:
        return UNKNOWN
    seconds = now.clock - before.clock
    arrived = total(of_partition(before, now, each).arrived for each in now.partitions)
    done = _rate(sum(before.outcomes.values()), sum(now.outcomes.values()), seconds)
    return Rates(arrived, done, _rate(_failures(before), _failures(now), seconds))


def of_partition(before: PodStatus | None, now: PodStatus, partition: PartitionStatus) -> Rates:
    """Of one partition that the pod holds now."""
    if before is None:
        return UNKNOWN
    was = next((each for each in before.partitions if _assignment(each) == _assignment(partition)), None)
    seconds = now.clock - before.clock
    if was is None:
        return UNKNOWN
    return Rates(_rate(was.end, partition.end, seconds), _rate(was.processed, partition.processed, seconds))


def total(numbers: Iterable[float | None]) -> float | None:
    """Of those that are known; None where none is."""
    known = [each for each in numbers if each is not None]
    return sum(known) if known else None


def _rate(before: int | None, now: int | None, seconds: float) -> float | None:
    if before is None or now is None or seconds <= 0 or now < before:
        return None
    return (now - before) / seconds


def _failures(pod: PodStatus) -> int:
    return sum(count for result, count in pod.attempts.items() if result != "succeeded")


def _assignment(partition: PartitionStatus) -> tuple[str, int, int]:
    return partition.topic, partition.partition, partition.epoch
