"""What was observed of a trigger: all that its status is computed from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kafkatrigger.api.stop import StopPoint
from kafkatrigger.controller.cache import Scale
from kafkatrigger.controller.conditions import Verdict
from kafkatrigger.controller.pods import Pod
from kafkatrigger.controller.replay import NOTHING, Step
from kafkatrigger.controller.reports import Report
from kafkatrigger.kafka.brokers import Finding
from kafkatrigger.kafka.group_lag import Lag


@dataclass(frozen=True)
class Workload:
    """The Deployment and its pods."""

    generation: int
    scale: Scale
    pods: tuple[Pod, ...]

    @property
    def is_at_rest(self) -> bool:
        """Whether the Deployment has no pods and makes none."""
        scale = self.scale
        return not (scale.wanted or scale.replicas) and scale.observed_generation >= self.generation

    @property
    def is_stuck(self) -> bool:
        """Whether pods of an older template are there, and no pod is ready."""
        pods = self.staying
        return any(pod.template != self.scale.template for pod in pods) and not any(pod.ready for pod in pods)

    @property
    def staying(self) -> list[Pod]:
        """The pods that are to stay, of whatever template, by name."""
        return sorted((pod for pod in self.pods if not pod.deleting), key=lambda pod: pod.name)


@dataclass(frozen=True)
class Remembered:
    """What the status tells of a checkpoint that was taken."""

    timestamps: Mapping[str, Mapping[str, int]]
    """Topic -> partition number as text -> milliseconds since the epoch."""
    lag: int | None
    """None where a pod did not say."""


@dataclass(frozen=True)
class Observation:
    """All that a status is computed from."""

    name: str
    generation: int
    accepted: Verdict
    servers: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    """The sources as the spec says them: names, or the pattern alone."""
    topic_pattern: str = ""
    group_id: str = ""
    finding: Finding | None = None
    """None: not asked, or no answer yet."""
    suspended: bool = False
    desired: int = 0
    """Pods that there should be."""
    problem: Verdict | None = None
    """What kept the objects from being applied."""
    secrets: tuple[str, ...] = ()
    """Without which no pod starts."""
    awaited: Verdict | None = None
    """Why they are not applied yet, so that the pods may be of other brokers and topics than these."""
    contested: Verdict | None = None
    """What to warn of while somebody else changes the objects again and again."""
    workload: Workload | None = None
    answers: Mapping[str, Report | None] = field(default_factory=dict)
    """Of pods that run, by uid; None: it could not be asked. Absent: not asked yet."""
    stop: StopPoint | None = None
    """The stop that holds for all pods."""
    held: Verdict | None = None
    """Why there are no pods for a while, where the spec wants some."""
    replay: Step = NOTHING
    """What came of the replay in this reconcile."""
    remembered: Remembered | None = None
    """Of a checkpoint that the status does not tell of yet."""
    has_checkpoint: bool = False
    """Whether the status told of one before."""
    retention: float | None = None
    """Seconds that the brokers keep the offsets of a group without members; None: not asked, or no answer yet."""
    lag: Lag | None = None
    """What brokers say while no pod does; None: not asked, or no answer yet."""

    @property
    def reports(self) -> list[Report]:
        """What the pods that are to stay said."""
        pods = self.workload.staying if self.workload else []
        return [report for pod in pods if (report := self.answers.get(pod.uid))]
