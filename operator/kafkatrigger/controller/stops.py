"""Which stop (`delivery.onFailure: Stop`) holds for all pods of a trigger. Pure; `api.stop` draws the whole way."""

from collections.abc import Iterable, Mapping, Sequence

from kafkatrigger.api import stop
from kafkatrigger.api.stop import StopPoint
from kafkatrigger.controller.observation import Workload
from kafkatrigger.controller.pods import Pod
from kafkatrigger.controller.reports import Report

Reports = Mapping[str, Report | None]


def concerned(workload: Workload) -> list[Pod]:
    """The pods of the newest spec that are to stay, whatever their template; a changed spec is a new start."""
    return [pod for pod in workload.pods if pod.revision == workload.scale.revision and not pod.deleting]


def standing(workload: Workload, reports: Reports) -> StopPoint | None:
    """The stop that holds: one that a pod reports, else the one that pods were told, until it is known to have ended.

    The pod that reported it may have died; the partition's next owner finds it in the commit metadata, and until then
    the others must not go on.
    """
    pods = concerned(workload)
    known = [report for pod in pods if (report := reports.get(pod.uid))]
    reported = _points(report.stopped for report in known)
    told = _points(pod.stopped for pod in pods)
    if reported:
        return min([each for each in told if each in reported] or reported)
    return min((each for each in told if not _has_ended(each, known)), default=None)


def untold(workload: Workload, point: StopPoint | None) -> list[tuple[Pod, str]]:
    """The pods whose annotation is not what it should be, and that."""
    wanted = point.text() if point else ""
    return [(pod, wanted) for pod in concerned(workload) if pod.stopped != wanted]


def _has_ended(point: StopPoint, known: Sequence[Report]) -> bool:
    """A pod that says nothing of a stop holds the partition."""
    return any(report.holds(point.topic, point.partition) for report in known)


def _points(texts: Iterable[str]) -> list[StopPoint]:
    return [point for text in texts if (point := _parsed(text))]


def _parsed(text: str) -> StopPoint | None:
    """None for nothing, and for what nobody of ours wrote."""
    try:
        return stop.parse(text) if text else None
    except ValueError:
        return None
