"""How far the pods are: the conditions Deployed and Consuming. Pure.

Each rule is a function that returns its verdict where it applies, and None else; the first that applies counts.
"""

import re
from collections.abc import Callable, Iterator

from kafkatrigger.api.pod_status import CONSUMING as POD_CONSUMES
from kafkatrigger.api.stop import StopPoint
from kafkatrigger.controller.conditions import Verdict, no, unknown, yes
from kafkatrigger.controller.observation import Observation, Workload
from kafkatrigger.controller.pods import Container, Pod

_PULL = {
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ErrImageInspect",
    "RegistryUnavailable",
}
_CREATE = {
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "PreCreateHookError",
    "PostStartHookError",
}
_REASON = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")


def deployed(seen: Observation) -> Verdict:
    """Objects applied, the desired pods run and are of the newest template."""
    if why := seen.problem or seen.awaited:
        return why
    if seen.workload is None:
        return _nothing_yet(seen)
    rules: tuple[Callable[[Observation, Workload], Verdict | None], ...] = (
        _outdated,
        _refused,
        _pod_problem,
        _none_wanted,
    )
    for rule in rules:
        if said := rule(seen, seen.workload):
            return said
    running = sum(pod.running for pod in newest(seen.workload))
    if running < seen.desired:
        return no("Progressing", f"{running} of {_pods(seen.desired)} of the newest template run{_needed(seen)}")
    return yes("Deployed", f"{_pods(running)} {_verb(running)}")


def consuming(seen: Observation, before: Verdict | None) -> Verdict:
    """The desired pods are ready: members of the group, runtime connected, transformation loaded."""
    if seen.workload is None:
        return unknown("WaitingForPods", "there are no pods yet")
    if not seen.desired:
        return no(_why_none(seen), f"no pods are wanted: {_mend_none(seen)}")
    if seen.stop:
        return _stopped(seen.name, seen.stop)
    pods = newest(seen.workload)
    ready = sum(pod.ready for pod in pods)
    if ready >= seen.desired:
        of = "" if seen.awaited else f" of {', '.join(seen.topics)}"
        return yes("Consuming", f"{_pods(ready)} {'holds' if ready == 1 else 'hold'} the partitions{of}")
    waiting = [pod for pod in pods if not pod.ready]
    counts = f"{ready} of {_pods(seen.desired)} ready"
    return _of_pods(seen, waiting, counts, before)


def newest(workload: Workload) -> list[Pod]:
    """The pods of the newest template that are to stay, by name."""
    return [pod for pod in workload.staying if pod.template == workload.scale.template]


def _stopped(name: str, at: StopPoint) -> Verdict:
    return no(
        "StoppedOnFailure",
        f"the message at offset {at.offset} of partition {at.partition} of {at.topic} failed for good ({at.error_class}), "
        "and spec.delivery.onFailure is Stop: mend the cause, then change the spec or run "
        f"`kubectl kafkatrigger resume {name}`; that message runs first",
    )


def _of_pods(seen: Observation, waiting: list[Pod], counts: str, before: Verdict | None) -> Verdict:
    """What the pods themselves say, else the coarse view."""
    asked = [pod for pod in waiting if pod.answers]
    for pod in asked:
        answer = seen.answers.get(pod.uid)
        if answer and not answer.ready and answer.reason != POD_CONSUMES and _REASON.fullmatch(answer.reason):
            return no(answer.reason, f"{counts}; {pod.name}: {answer.message}")
    if asked and before and before.status == "False" and any(pod.uid not in seen.answers for pod in asked):
        # Not asked yet, as after a restart of the operator: what was known stands until there is an answer.
        return before
    if not waiting:
        return no("WaitingForPods", f"{counts}; the others do not exist yet")
    return no("PodsNotReady", f"{counts}; waiting for {waiting[0].name}: see its logs when this lasts")


def _nothing_yet(seen: Observation) -> Verdict:
    if not seen.accepted.holds:
        return no("NotAccepted", "nothing is made until the trigger is accepted")
    return no("Progressing", "the objects are being made")


def _needed(seen: Observation) -> str:
    """Kubernetes says of a missing Secret only in an event of the pod."""
    if not seen.secrets:
        return ""
    what = f"Secrets {', '.join(seen.secrets)}" if len(seen.secrets) > 1 else f"Secret {seen.secrets[0]}"
    return f"; they start when the {what} of spec.transformation.adapters can be mounted: create what is missing"


def _outdated(_seen: Observation, workload: Workload) -> Verdict | None:
    if workload.scale.observed_generation < workload.generation:
        return no("Progressing", "Kubernetes has not looked at the newest Deployment yet")
    return None


def _refused(_seen: Observation, workload: Workload) -> Verdict | None:
    """Pods that the API server refuses: a quota, a policy, a missing ServiceAccount."""
    message = workload.scale.failure
    if not message:
        return None
    if "exceeded quota" in message:
        return no("QuotaExceeded", f"{message}. Raise the namespace's quota or lower scaling.replicas or the resources")
    return no("PodsRefused", message)


def _pod_problem(_seen: Observation, workload: Workload) -> Verdict | None:
    pods = newest(workload)
    problems = (said for pod in pods for said in _problems(pod))
    return next(problems, None)


def _problems(pod: Pod) -> Iterator[Verdict]:
    if pod.unschedulable:
        yield no("Unschedulable", f"no node takes {pod.name}: {pod.unschedulable}")
    for container in pod.containers:
        if said := _container_problem(pod, container):
            yield said


def _container_problem(pod: Pod, container: Container) -> Verdict | None:
    where = f"container {container.name} of {pod.name}"
    if container.waiting in _PULL:
        text = f"image {container.image} of {where} cannot be pulled: {container.message or container.waiting}"
        return no("ImagePullFailed", f"{text}. Correct the name, or the pull secrets")
    if container.waiting in _CREATE:
        return no("CreateContainerError", f"{where} cannot be created: {container.message or container.waiting}")
    if container.waiting == "CrashLoopBackOff":
        return no(
            "CrashLooping",
            f"{where} ended {container.restarts} times ({container.ended or 'no details'}): see its logs",
        )
    return None


def _none_wanted(seen: Observation, workload: Workload) -> Verdict | None:
    if seen.desired:
        return None
    if workload.scale.replicas or workload.pods:
        return no("Stopping", f"{_pods(len(workload.pods))} still to drain")
    return yes(_why_none(seen), "no pods run, as wanted")


def _why_none(seen: Observation) -> str:
    if not seen.accepted.holds:
        return "NotAccepted"
    if seen.held and not seen.suspended:
        return seen.held.reason
    return "Suspended" if seen.suspended else "ScaledToZero"


def _mend_none(seen: Observation) -> str:
    if not seen.accepted.holds:
        return "see the condition Accepted"
    if seen.held and not seen.suspended:
        return seen.held.message
    return "spec.suspend is true" if seen.suspended else "raise scaling.replicas to consume"


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"


def _verb(count: int) -> str:
    return "runs" if count == 1 else "run"
