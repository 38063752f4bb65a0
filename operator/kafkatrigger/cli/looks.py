"""Looks at what consumers say of themselves, all at the same time, so that one that does not answer delays no other."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from kafkatrigger.api.control import Describe
from kafkatrigger.api.pod_status import PodStatus
from kafkatrigger.cli.rates import Pods
from kafkatrigger.cli.reach import Consumer, ReachError

AT_ONCE = 16
"""Consumers that are asked at the same time; on a cluster each is a process of kubectl."""
REMEMBERED = 6
"""Looks that rates are taken over: what a pod tells of may be a second old, which counts less over ten."""


class Look(NamedTuple):
    """What was seen, by the consumers' names."""

    pods: dict[str, PodStatus]
    problems: list[str]
    """Why the others said nothing."""


def look(consumers: Sequence[Consumer]) -> Look:
    """Asks all of them."""
    if not consumers:
        return Look({}, [])
    with ThreadPoolExecutor(min(AT_ONCE, len(consumers))) as threads:
        answers = dict(zip((each.name for each in consumers), threads.map(_ask, consumers), strict=True))
    pods = {name: answer for name, answer in answers.items() if isinstance(answer, PodStatus)}
    return Look(pods, [f"{name}: {answer}" for name, answer in answers.items() if isinstance(answer, str)])


def _ask(consumer: Consumer) -> PodStatus | str:
    """What it says, or why it does not."""
    try:
        answer = consumer.ask(Describe())
    except ReachError as error:
        return error.message
    return answer.status or answer.error or "it is of another version"


class Memory:
    """The looks of the last seconds."""

    def __init__(self) -> None:
        self._looks: deque[Pods] = deque(maxlen=REMEMBERED)

    def before(self, now: Pods) -> Pods:
        """The earliest that is remembered of each pod, for this look to be compared with; remembers this look."""
        earliest: dict[str, PodStatus] = {}
        for seen in self._looks:
            for name, pod in seen.items():
                earliest.setdefault(name, pod)
        self._looks.append(now)
        return earliest
