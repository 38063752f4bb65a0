"""Questions to the outside (brokers, pods) that may take seconds, asked beside the reconciles.

A reconcile says what its trigger wants to know and gets the last answers at once. When an answer changes, the keys that
wait for it are reconciled again. Each question is asked again after a while, in threads of its own, at most so many at
a time; equal questions of several triggers are asked once.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from kafkatrigger.controller.queue import WorkQueue

T = TypeVar("T", bound=Hashable)
A = TypeVar("A")
K = TypeVar("K", bound=Hashable)

_log = logging.getLogger(__name__)


class Monitor(Generic[K, T, A]):
    """Keys K want answers A to questions T.

    `ask` runs in a thread. `judge` gets the previous answer and the new one, and returns the one that counts with the
    seconds until the question is asked again.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[T], A],
        judge: Callable[[A | None, A], tuple[A, float]],
        changed: Callable[[K], None],
        threads: int,
    ) -> None:
        self._ask, self._judge, self._changed = ask, judge, changed
        self._queue: WorkQueue[T] = WorkQueue()
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._answers: dict[T, A] = {}
        self._askers: dict[T, set[K]] = {}
        self._questions: dict[K, frozenset[T]] = {}

    def watch(self, key: K, questions: Collection[T]) -> dict[T, A]:
        """From now on `key` wants to know exactly these; returns what is known already."""
        wanted = frozenset(questions)
        known = self._questions.get(key, frozenset())
        for question in known - wanted:
            self._leave(key, question)
        for question in wanted - known:
            self._enter(key, question)
        self._questions[key] = wanted
        return self.answers(key)

    def answers(self, key: K) -> dict[T, A]:
        """What is known of the key's questions: the newest, also where it was no news."""
        wanted = self._questions.get(key, frozenset())
        return {question: self._answers[question] for question in wanted if question in self._answers}

    def __len__(self) -> int:
        """How many questions there are."""
        return len(self._askers)

    def forget(self, key: K) -> None:
        """The key is gone."""
        self.watch(key, ())
        del self._questions[key]

    async def run(self) -> None:
        """Asks for ever."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._threads):
                    group.create_task(self._work())
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        while True:
            question = await self._queue.get()
            try:
                await self._answer(question)
            except Exception:  # noqa: BLE001 - one question must not end the others
                _log.exception("asking about %s failed", question)
                self._queue.retry(question)
            finally:
                self._queue.done(question)

    async def _answer(self, question: T) -> None:
        if question not in self._askers:
            return
        answer = await asyncio.get_running_loop().run_in_executor(self._executor, self._ask, question)
        if question not in self._askers:
            return
        previous = self._answers.get(question)
        counts, pause = self._judge(previous, answer)
        self._queue.forget(question)
        self._queue.add_after(question, pause)
        self._answers[question] = counts
        if counts != previous:
            for key in self._askers[question]:
                self._changed(key)

    def _enter(self, key: K, question: T) -> None:
        self._askers.setdefault(question, set()).add(key)
        if question not in self._answers:
            self._queue.add(question)

    def _leave(self, key: K, question: T) -> None:
        askers = self._askers[question]
        askers.discard(key)
        if not askers:
            del self._askers[question]
            self._answers.pop(question, None)
            self._queue.drop(question)
