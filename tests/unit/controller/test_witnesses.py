"""What pods said last stays known until it is in a checkpoint."""

import asyncio
from collections.abc import Callable
from typing import Any

from kafkatrigger.controller.cache import Key
from kafkatrigger.controller.monitor import Monitor
from kafkatrigger.controller.observation import Workload
from kafkatrigger.controller.pod_reader import PodAddress
from kafkatrigger.controller.pods import Pod
from kafkatrigger.controller.reports import Held, Report
from kafkatrigger.controller.witnesses import MOST_WORDS, Witnesses
from tests.unit.controller.helpers import KEY, make_pod, make_workload


class Pods:
    """Pods that say how far they are, and witnesses of what they say."""

    def __init__(self) -> None:
        self.offsets: dict[str, int | None] = {}
        self._monitors = [self._monitor(name) for name in ("waiting", "ready", "leaving")]
        self.witnesses = Witnesses(*self._monitors)

    def _monitor(self, name: str) -> Monitor[Key, PodAddress, Report | None]:
        def judge(before: Report | None, found: Report | None) -> tuple[Report | None, float]:
            return (found if name == "waiting" else found or before), 0.01

        return Monitor(name, self._ask, judge, lambda _: None, 1)

    def _ask(self, pod: PodAddress) -> Report | None:
        offset = self.offsets.get(pod.uid)
        return None if offset is None else Report(True, "Consuming", "", frozenset({Held("t", 0, offset)}))

    def see(self, *pods: Pod) -> None:
        self.witnesses.watch(KEY, make_workload(*pods))

    @property
    def said(self) -> dict[str, int | None]:
        """The committed offset that each pod said last."""
        return {uid: next(iter(each.partitions)).committed for uid, each in self.witnesses.reports(KEY).items()}

    async def until(self, **said: int) -> None:
        wanted = {f"uid-{name}": offset for name, offset in said.items()}
        for _ in range(500):
            if self.said == wanted:
                return
            await asyncio.sleep(0.01)
        assert self.said == wanted

    def run(self, story: Callable[[], Any]) -> None:
        async def told() -> None:
            tasks = [asyncio.create_task(monitor.run()) for monitor in self._monitors]
            try:
                await story()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run(told())


A, B = make_pod("a"), make_pod("b")
LEAVING = make_pod("a", deleting=True)
SILENT = make_pod("a", ready=False)


def test_a_pod_is_asked_until_it_is_gone_and_believed_afterwards() -> None:
    pods = Pods()

    async def story() -> None:
        pods.offsets = {"uid-a": 5}
        pods.see(A)
        await pods.until(a=5)
        pods.offsets = {"uid-a": 6}
        await pods.until(a=6)
        pods.see(LEAVING)
        assert pods.said == {"uid-a": 6}
        pods.offsets = {"uid-a": 8}
        await pods.until(a=8)
        pods.offsets = {}
        pods.see()
        assert pods.said == {"uid-a": 8}

    pods.run(story)


def test_a_pod_that_falls_silent_is_believed_as_well() -> None:
    pods = Pods()

    async def story() -> None:
        pods.offsets = {"uid-a": 5}
        pods.see(A)
        await pods.until(a=5)
        pods.offsets = {}
        pods.see(SILENT)
        await asyncio.sleep(0.1)
        pods.see()
        assert pods.said == {"uid-a": 5}

    pods.run(story)


def test_what_is_in_a_checkpoint_is_let_go() -> None:
    pods = Pods()

    async def story() -> None:
        pods.offsets = {"uid-a": 5, "uid-b": 7}
        pods.see(A, B)
        await pods.until(a=5, b=7)
        taken = pods.witnesses.reports(KEY)
        pods.offsets = {"uid-a": 6, "uid-b": 7}
        await pods.until(a=6, b=7)
        pods.see(B)
        pods.witnesses.release(KEY, taken)
        assert pods.said == {"uid-a": 6, "uid-b": 7}
        pods.witnesses.release(KEY, pods.witnesses.reports(KEY))
        assert pods.said == {"uid-b": 7}

    pods.run(story)


def test_what_was_said_before_a_replay_is_let_go() -> None:
    pods = Pods()

    async def story() -> None:
        pods.offsets = {"uid-a": 5}
        pods.see(A)
        await pods.until(a=5)
        pods.see()
        assert pods.said == {"uid-a": 5}
        pods.witnesses.silence(KEY)
        assert pods.said == {}

    pods.run(story)


def test_words_are_bounded() -> None:
    pods = Pods()
    names = [f"p{number}" for number in range(MOST_WORDS + 5)]

    async def story() -> None:
        pods.offsets = {f"uid-{name}": 1 for name in names}
        pods.see(*(make_pod(name) for name in names))
        await pods.until(**dict.fromkeys(names, 1))
        pods.see()
        assert len(pods.said) == MOST_WORDS

    pods.run(story)


def test_a_trigger_without_pods_says_nothing() -> None:
    witnesses = Pods().witnesses
    no_workload: Workload | None = None
    assert witnesses.watch(KEY, no_workload) == {}
    assert witnesses.reports(KEY) == {}
