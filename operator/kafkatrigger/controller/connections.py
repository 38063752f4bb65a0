"""How often brokers are asked, and when their silence is believed."""

import random
from dataclasses import dataclass, field

from kafkatrigger.kafka.brokers import Finding

HEALTHY_PAUSE = 60.0
"""Seconds between checks of brokers that are well: a topic may be removed."""
UNHEALTHY_PAUSE = 10.0
DOUBT_PAUSE = 2.0


@dataclass(frozen=True)
class Connection:
    """What is believed of the brokers."""

    finding: Finding
    doubted: bool = field(default=False, compare=False)
    """One check since failed; a second one is needed, so that a lost packet is no outage."""


def judge(before: Connection | None, found: Connection) -> tuple[Connection, float]:
    """What to believe now, and seconds until the next check."""
    if found.finding.unreachable and before and before.finding.healthy and not before.doubted:
        return Connection(before.finding, doubted=True), DOUBT_PAUSE
    pause = HEALTHY_PAUSE if found.finding.healthy else UNHEALTHY_PAUSE
    return found, pause * random.uniform(0.8, 1.2)  # noqa: S311 - so that checks do not bunch
