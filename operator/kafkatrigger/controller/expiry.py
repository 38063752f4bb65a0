"""When the offsets of a group that nobody uses are about to expire. Pure."""

from datetime import datetime, timedelta

from kafkatrigger.controller.conditions import Verdict, yes

DEFAULT_RETENTION = 7 * 24 * 3600.0
"""Seconds: the brokers' own default, assumed where they do not say."""
SHORT_RETENTION = 24 * 3600.0
"""Seconds. With a shorter one the warning comes at once: a quarter of it may be less than a night."""
LEFT = 0.25
"""Share of the retention that is left when the warning comes."""

REASON = "OffsetsExpiring"
"""Of the condition Warning."""


KNOWN_PAUSE = 3600.0
"""Seconds until brokers are asked again that said how long they keep offsets."""
UNKNOWN_PAUSE = 60.0


def judge(before: float | None, found: float | None) -> tuple[float | None, float]:
    """What to believe of the retention, and seconds until it is asked again."""
    known = before or DEFAULT_RETENTION
    return (known, UNKNOWN_PAUSE) if found is None else (found, KNOWN_PAUSE)


def expiring(since: str, retention: float, now: str, mend: str) -> Verdict | None:
    """`since` nobody consumes; both times as in Kubernetes. `mend` is what lets pods consume again."""
    end = _time(since) + timedelta(seconds=retention)
    left = (end - _time(now)).total_seconds()
    if left >= retention * LEFT and retention >= SHORT_RETENTION:
        return None
    return yes("OffsetsExpiring", _sentence(since, end, retention, mend, over=left <= 0))


def _sentence(since: str, end: datetime, retention: float, mend: str, *, over: bool) -> str:
    why = f"(offsets.retention.minutes is {retention / 60:.0f}, and no pod consumes since {since})"
    when = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    if over:
        return (
            f"since {when} the brokers may have forgotten the group's offsets {why}: the trigger would go on from its "
            f"checkpoint, and run again what that does not know of. To go on, {mend}"
        )
    return f"the brokers keep the group's offsets until {when} {why}: before that, {mend}, or raise offsets.retention.minutes"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
