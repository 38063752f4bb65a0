"""Starts the operator and keeps it running."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from prometheus_client import start_http_server

from kafkatrigger.api import logs
from kafkatrigger.api.checkpoint import Checkpoint
from kafkatrigger.api.moves import Answer, Errand, Group
from kafkatrigger.api.resources import KIND
from kafkatrigger.api.transformation import TRANSFORMATION_KIND
from kafkatrigger.controller import errands, expiry, finalizers, lags, pod_reader, references
from kafkatrigger.controller.cache import Body, Cache, Key
from kafkatrigger.controller.checkpointer import Checkpointer
from kafkatrigger.controller.cluster import Cluster, ClusterError
from kafkatrigger.controller.connections import Connection, judge
from kafkatrigger.controller.finalizers import GroupMonitor
from kafkatrigger.controller.handlers import KINDS, watch
from kafkatrigger.controller.metrics import RECONCILE_ERRORS, RECONCILE_SECONDS
from kafkatrigger.controller.monitor import Monitor
from kafkatrigger.controller.names import CHILDREN
from kafkatrigger.controller.queue import WorkQueue
from kafkatrigger.controller.reconcile import (
    BrokerMonitor,
    ErrandMonitor,
    LagMonitor,
    Monitors,
    Reconciler,
    ReferenceMonitor,
    RetentionMonitor,
)
from kafkatrigger.controller.reports import Report
from kafkatrigger.controller.settings import Settings
from kafkatrigger.controller.witnesses import PodMonitor, Witnesses
from kafkatrigger.kafka import group_lag, group_offsets
from kafkatrigger.kafka.brokers import IDLE, Brokers, Target
from kafkatrigger.kafka.group_lag import Lag
from kafkatrigger.kafka.group_offsets import Servers

BROKER_THREADS = 8
POD_THREADS = 8
READY_POD_THREADS = 4
GROUP_THREADS = 2
ERRAND_THREADS = 4
LAG_THREADS = 4
REFERENCE_THREADS = 2
LOOP_TIMEOUT = 30.0
"""Seconds that a question waits for what the loop reads: the trigger's checkpoint, a Transformation."""
RELIST = 300.0
"""Seconds between two lists, which find what a broken watch missed."""
START_RETRY = 3.0
MISSING_PAUSE = 30.0
"""Seconds until a watched namespace that was missing is looked for again."""

_log = logging.getLogger(__name__)


class Operator:
    """Everything that runs, wired together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._namespaces: Sequence[str | None] = (None,)
        """Those that are served; None stands for all there are."""
        self._cluster, self._cache = Cluster(settings.reconcilers), Cache()
        self._queue: WorkQueue[Key] = WorkQueue()
        self._brokers = Brokers()
        self._broker_monitor: BrokerMonitor = Monitor(
            "brokers", self._ask_brokers, judge, self._queue.add, BROKER_THREADS
        )
        self._retentions: RetentionMonitor = Monitor(
            "retentions", self._ask_retention, expiry.judge, self._queue.add, GROUP_THREADS
        )
        self._deletions: GroupMonitor = Monitor(
            "deletions", self._delete_group, finalizers.judge, self._queue.add, GROUP_THREADS
        )
        self._waiting_pods: PodMonitor = Monitor(
            "waiting-pods", pod_reader.read, pod_reader.judge_waiting, self._queue.add, POD_THREADS
        )
        # Threads of their own: thousands of pods that are well must not keep those waiting that are not.
        self._ready_pods: PodMonitor = Monitor(
            "ready-pods", pod_reader.read, self._judge_ready, self._queue.add, READY_POD_THREADS
        )
        self._leaving_pods: PodMonitor = Monitor(
            "leaving-pods", pod_reader.read, self._judge_leaving, self._queue.add, READY_POD_THREADS
        )
        self._errands: ErrandMonitor = Monitor(
            "errands", self._run_errand, errands.judge, self._queue.add, ERRAND_THREADS
        )
        self._lags: LagMonitor = Monitor("lags", self._ask_lag, self._judge_lag, self._queue.add, LAG_THREADS)
        self._references: ReferenceMonitor = Monitor(
            "references", self._ask_reference, references.judge, self._queue.add, REFERENCE_THREADS
        )
        monitors = Monitors(
            *(self._broker_monitor, self._retentions, self._deletions, self._errands, self._lags, self._references)
        )
        witnesses = Witnesses(self._waiting_pods, self._ready_pods, self._leaving_pods)
        self._checkpointer = Checkpointer(self._cache, self._cluster, witnesses, self._queue.add)
        self._reconciler = Reconciler(
            settings, self._cache, self._cluster, monitors, witnesses, self._checkpointer, self._queue.add_after
        )

    async def run(self) -> None:
        """Runs until the process is told to end; raises when a part of it fails, so that Kubernetes restarts it."""
        self._loop = asyncio.get_running_loop()
        start_http_server(self._settings.metrics_port)
        await self._first_list()
        parts: list[Coroutine[Any, Any, None]] = [self._work() for _ in range(self._settings.reconcilers)]
        parts += [self._broker_monitor.run(), self._retentions.run(), self._deletions.run(), self._errands.run()]
        parts += [
            self._lags.run(),
            self._references.run(),
            self._waiting_pods.run(),
            self._ready_pods.run(),
            self._leaving_pods.run(),
        ]
        parts += [self._checkpointer.run(), self._relist(), self._close_idle_clients()]
        if missing := set(self._settings.watch_namespaces).difference(self._served):
            parts.append(self._await_missing(missing))
        tasks = [asyncio.create_task(part) for part in parts]
        # kopf waits at its end for every task that was begun after it, so all of ours begin before.
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(watch(self._observe, self._served, self._settings.health_port)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._brokers.close()
            self._cluster.close()
            await _end(tasks)

    def _observe(self, body: Body, gone: bool) -> None:
        key = self._cache.observe(body, gone=gone)
        self._queue.add(key)
        if body["kind"] == KIND:
            self._claim(key)

    def _claim(self, key: Key) -> None:
        for other in self._reconciler.claim(key):
            self._queue.add(other)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                with RECONCILE_SECONDS.time():
                    await self._reconcile(key)
            finally:
                self._queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        try:
            if await self._reconciler.reconcile(key):
                self._queue.forget(key)
            else:
                self._queue.retry(key)
        except Exception as error:  # noqa: BLE001 - one bad trigger must not end the operator
            RECONCILE_ERRORS.inc()
            delay = self._queue.retry(key)
            known = isinstance(error, ClusterError)
            _log.warning("%s; next try in %.1f s", error, delay, exc_info=None if known else error, extra=key.facts)

    async def _first_list(self) -> None:
        """The cache is complete before anything is decided: half a view would look like missing pods and groups."""
        while True:
            try:
                await self._find_namespaces()
                await self._list()
            except ClusterError as error:
                hint = " (is the CustomResourceDefinition installed?)" if error.status == 404 else ""
                _log.warning("cannot list what is there: %s%s; trying again", error, hint)
                await asyncio.sleep(START_RETRY)
            else:
                return

    @property
    def _served(self) -> list[str]:
        """The names of the served namespaces; empty when all are."""
        return [namespace for namespace in self._namespaces if namespace]

    async def _find_namespaces(self) -> None:
        """A watched namespace that was deleted took our rights in it along; that must not keep the others waiting."""
        watched = self._settings.watch_namespaces
        if not watched:
            return
        found = [namespace for namespace in watched if await self._may_list(namespace)]
        if not found:
            raise ClusterError(
                403, f"none of the namespaces {', '.join(watched)} can be read: create them with the chart's Roles"
            )
        self._namespaces = found
        if missing := set(watched).difference(found):
            _log.warning("not served, because they cannot be read: %s", ", ".join(sorted(missing)))

    async def _may_list(self, namespace: str) -> bool:
        try:
            await self._cluster.list_all(KIND, namespace, "")
        except ClusterError as error:
            if error.status == 403:
                return False
            raise
        return True

    async def _await_missing(self, missing: Iterable[str]) -> None:
        """Returns, which ends the process, when one of them is there: what kopf watches is fixed at its start."""
        while True:
            await asyncio.sleep(MISSING_PAUSE)
            with contextlib.suppress(ClusterError):
                if found := [namespace for namespace in missing if await self._may_list(namespace)]:
                    _log.info("%s can be read now: starting again to serve them", ", ".join(found))
                    return

    async def _relist(self) -> None:
        while True:
            await asyncio.sleep(RELIST)
            with contextlib.suppress(ClusterError):
                await self._list()

    async def _list(self) -> None:
        for kind in KINDS:
            for namespace in self._namespaces:
                await self._list_kind(kind, namespace)

    async def _list_kind(self, kind: str, namespace: str | None) -> None:
        listed, version = await self._cluster.list_all(kind, namespace, "" if kind == KIND else CHILDREN)
        bodies = list(listed)
        for body in bodies:
            self._observe(body, False)
            await asyncio.sleep(0)  # thousands of objects must not hold up the probes
        for key in self._cache.retain(kind, namespace, bodies, version):
            self._claim(key)
            self._queue.add(key)

    def _judge_ready(self, before: Report | None, found: Report | None) -> tuple[Report | None, float]:
        return pod_reader.judge_ready(before, found, len(self._ready_pods))

    def _judge_leaving(self, before: Report | None, found: Report | None) -> tuple[Report | None, float]:
        return pod_reader.judge_leaving(before, found, len(self._leaving_pods))

    def _ask_retention(self, question: Servers) -> float | None:
        return group_offsets.retention(self._brokers, question)

    def _delete_group(self, question: Group) -> str:
        return group_offsets.delete(self._brokers, question)

    def _ask_brokers(self, question: Target) -> Connection:
        return Connection(self._brokers.check(question))

    def _run_errand(self, errand: Errand) -> Answer:
        return errands.run(self._brokers, errand)

    def _ask_lag(self, question: lags.Question) -> Lag:
        try:
            return group_lag.ask(self._brokers, question.subject, lambda: self._checkpoint(question.key))
        except (ClusterError, TimeoutError) as error:
            return Lag(None, f"the trigger's checkpoint cannot be read: {error}")

    def _checkpoint(self, key: Key) -> Checkpoint:
        """For threads that ask; ClusterError, TimeoutError."""
        return asyncio.run_coroutine_threadsafe(self._checkpointer.marks(key), self._loop).result(LOOP_TIMEOUT)

    def _ask_reference(self, question: references.Question) -> references.Answer:
        reading = self._cluster.get(TRANSFORMATION_KIND, question.namespace, question.name)
        try:
            return references.answer(asyncio.run_coroutine_threadsafe(reading, self._loop).result(LOOP_TIMEOUT))
        except (ClusterError, TimeoutError) as error:
            return references.Answer(problem=str(error) or "no answer in time")

    def _judge_lag(self, before: Lag | None, found: Lag) -> tuple[Lag, float]:
        return lags.judge(before, found, len(self._lags))

    async def _close_idle_clients(self) -> None:
        while True:
            await asyncio.sleep(IDLE / 5)
            await asyncio.to_thread(self._brokers.close_idle)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Ends the parts; raises the error of the one that failed, when one did."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


def main(settings: Settings) -> None:
    """Runs the operator until SIGTERM or SIGINT."""
    logs.configure()
    asyncio.run(Operator(settings).run())
