"""Errands to the brokers of a trigger's group: who does them, and how soon again."""

import random

from kafkatrigger.api.moves import Answer, Errand
from kafkatrigger.kafka import replay
from kafkatrigger.kafka.brokers import Brokers

SOON = 2.0
"""Seconds until an errand that has to wait is done again."""
LATER = 5.0
SETTLED = 3600.0
"""Seconds until offsets that were moved would be moved once more: long after the trigger's status says that they were."""


def run(brokers: Brokers, errand: Errand) -> Answer:
    """Does it; takes some tens of seconds at most."""
    with brokers.admin(errand.group.servers, errand.group.namespace) as admin:
        return replay.answer(admin, errand)


def judge(_before: Answer | None, found: Answer) -> tuple[Answer, float]:
    """What to believe, and seconds until the errand is done again."""
    pause = SETTLED if found.moved else SOON if found.waiting else LATER
    return found, pause * random.uniform(0.8, 1.2)  # noqa: S311 - so that questions do not bunch
