"""When somebody else changes an object of a trigger again and again. Pure.

What others change is put back at once. Another controller that changes it back each time would have both write as fast as
they can, so from BURST times within WINDOW on the next one waits for PAUSE.
"""

from collections.abc import Sequence

from kafkatrigger.controller.conditions import Verdict, yes

BURST = 5
WINDOW = 300.0
"""Seconds."""
PAUSE = 30.0
"""Seconds from one time to the next."""

REASON = "ObjectContested"
"""Of the condition Warning."""

Times = tuple[float, ...]
"""When one object was put back: seconds of a monotonic clock, the latest BURST of them."""


def noted(times: Times, now: float) -> Times:
    """The object was put back now."""
    return (*times, now)[-BURST:]


def left(times: Times, now: float) -> float:
    """Seconds for which the object counts as contested, if it has not to be put back again; 0 where it is not."""
    return max(0.0, times[0] + WINDOW - now) if len(times) == BURST else 0.0


def pause(times: Times, now: float) -> float:
    """Seconds until the object may be put back again."""
    return max(0.0, times[-1] + PAUSE - now) if left(times, now) else 0.0


def warning(objects: Sequence[str], namespace: str) -> Verdict:
    """What to say of contested objects, each as `Kind name`."""
    kind, _, name = objects[0].partition(" ")
    return yes(
        REASON,
        f"somebody else changes {', '.join(objects)} again and again, so it is put back every {PAUSE:.0f} s only. See who "
        f"does it with `kubectl get {kind.lower()} {name} --namespace {namespace} --show-managed-fields --output yaml`, "
        "and have it leave what the operator sets alone; an autoscaler scales the trigger, not its Deployment",
    )
