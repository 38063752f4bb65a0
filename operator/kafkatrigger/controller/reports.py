"""What the operator reads of a pod's /status: only what conditions are computed from, so that equal ones mean no news."""

import msgspec


class Held(msgspec.Struct, frozen=True):
    """A partition that a pod holds."""

    topic: str
    partition: int


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

    @property
    def settled(self) -> bool:
        """Whether the pod got its partitions, so that what it does not mention is not there."""
        return self.ready or bool(self.partitions)

    def holds(self, topic: str, partition: int) -> bool:
        """Whether the partition is this pod's."""
        return Held(topic, partition) in self.partitions
