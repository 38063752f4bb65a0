"""How `delivery.onFailure: Stop` reaches every pod of a trigger, and how it ends.

    owner of the partition ── /status: stopped ──▶ operator ── annotation on each pod ──▶ STOPPED_PATH in each pod

The owner records the stop in the partition's commit metadata, with the revision of its spec, and reports it for as long
as it stands. The operator tells all pods of that revision; the kubelet writes the annotation into the file at once, since
a pod whose annotations change is looked after immediately. So no pod is replaced. The annotation goes when a pod that
holds the partition says that it is not stopped. Pods of another revision honour neither the record nor the annotation:
a changed spec is a new start.

A pod that was asked to resume ignores the text that its file has, and the stop that it had found itself, until the text
changes. `stopped_at` makes each stop a text of its own, so that one that comes back counts again.
"""

from typing import NamedTuple

STOPPED_PATH = "/etc/kafkatrigger-pod/stopped"
"""Empty, or the text of a StopPoint. Mounted in the consumer container alone."""

REVISION_VARIABLE = "KAFKATRIGGER_REVISION"
"""Variable of the consumer container: differs when the trigger's spec does, but for `suspend` and `scaling`."""


class StopPoint(NamedTuple):
    """The failed message that stopped a trigger."""

    topic: str
    partition: int
    offset: int
    stopped_at: int
    """Milliseconds since the epoch: when the owner of the partition found it."""
    error_class: str
    """Such as ValueError; never the error's text, which may quote the message."""

    def text(self) -> str:
        """One line, as the file, the annotation and the pod's status have it."""
        return f"{self.topic}/{self.partition}/{self.offset}/{self.stopped_at} {self.error_class}"


def parse(text: str) -> StopPoint:
    """The stop point of a text; ValueError where it is none."""
    place, _, error_class = text.partition(" ")
    topic, partition, offset, stopped_at = place.split("/")
    return StopPoint(topic, int(partition), int(offset), int(stopped_at), error_class)
