"""Runs named steps, each as soon as what it needs is done, and shows where it is."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from .shell import logging_to

_SHOWN_AFTER_SECONDS = 1.0
_REPEATED_AFTER_SECONDS = 30.0


@dataclass(frozen=True)
class Step:
    """`action` returns a word when there was nothing to do ("cached"), or None when it worked for its time.

    A step that it `needs` and that is not part of the plan counts as done.
    """

    name: str
    title: str
    action: Callable[[], str | None]
    needs: tuple[str, ...] = ()


@dataclass
class _Running:
    label: str
    started: float = field(default_factory=time.monotonic)
    shown: float = 0.0

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def show_when_slow(self) -> None:
        due = self.shown + _REPEATED_AFTER_SECONDS if self.shown else _SHOWN_AFTER_SECONDS
        if self.seconds() < due:
            return
        print(f"{self.label} ..." + (f" {self.seconds():.0f} s so far" if self.shown else ""), flush=True)
        self.shown = self.seconds()


class Plan:
    """The steps of one command. A step that fails lets those beside it finish, then its error is raised."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._waiting = list(steps)
        self._names = {s.name for s in steps}
        self._labels = {s.name: f"[{n}/{len(steps)}] {s.title}" for n, s in enumerate(steps, 1)}
        self._done: set[str] = set()
        self._running: dict[Future[str | None], tuple[Step, _Running]] = {}

    def run(self) -> None:
        errors: list[BaseException] = []
        with ThreadPoolExecutor(max_workers=max(1, len(self._waiting))) as pool:
            while self._waiting or self._running:
                if not errors:
                    self._start_ready(pool)
                if not self._running:
                    break
                errors += self._collect()
        if errors:
            raise errors[0]

    def _start_ready(self, pool: ThreadPoolExecutor) -> None:
        for step in [s for s in self._waiting if self._done.issuperset(self._names.intersection(s.needs))]:
            self._waiting.remove(step)
            self._running[pool.submit(_act, step)] = (step, _Running(self._labels[step.name]))

    def _collect(self) -> list[BaseException]:
        finished, _ = wait(self._running, timeout=0.5, return_when=FIRST_COMPLETED)
        errors = [error for future in finished if (error := self._finish(future))]
        for _, running in self._running.values():
            running.show_when_slow()
        return errors

    def _finish(self, future: Future[str | None]) -> BaseException | None:
        step, running = self._running.pop(future)
        error = future.exception()
        note = "failed" if error else future.result() or f"{running.seconds():.0f} s"
        print(f"{running.label} ... {note}", flush=True)
        self._done.add(step.name)
        return error


def _act(step: Step) -> str | None:
    with logging_to(step.name):
        return step.action()
