"""What the operator reads of a pod's /status: only what conditions are computed from, so that equal ones mean no news."""

from collections.abc import Iterable

import msgspec


class Held(msgspec.Struct, frozen=True, eq=False, rename="camel"):
    """A partition that a pod holds. The same partition is equal: how far it is is no news."""

    topic: str
    partition: int
    committed: int | None = None
    timestamp: int | None = None
    topic_id: str = ""
    lag: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[str, int]:
        return self.topic, self.partition


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """The part of `api.pod_status.PodStatus` that matters here; the fields are explained there."""

    ready: bool
    reason: str
    message: str
    partitions: frozenset[Held] = frozenset()
    blocked_keys: int = 0
    blocked_message: str = ""
    breaker_open: bool = False
    dead_letter_problem: str = ""
    stopped: str = ""
    retention_warning: str = ""
    log_change: str = ""
    group_id: str = ""

    @property
    def settled(self) -> bool:
        """Whether the pod got its partitions, so that what it does not mention is not there."""
        return self.ready or bool(self.partitions)

    def holds(self, topic: str, partition: int) -> bool:
        """Whether the partition is this pod's."""
        return Held(topic, partition) in self.partitions


def lag(reports: Iterable[Report]) -> int | None:
    """Of all partitions that the pods hold, the last one counting where two say that they do; None where it is not known."""
    lags = {held: held.lag for report in reports for held in report.partitions}
    known = [each for each in lags.values() if each is not None]
    return sum(known) if lags and len(known) == len(lags) else None
