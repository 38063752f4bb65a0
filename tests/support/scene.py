"""A trigger under steady traffic, watched all the time: what `Ready` says, and whether messages are answered."""

import os
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer

from tests.cluster.broker import HostBroker, HostCluster
from tests.cluster.errors import ClusterError
from tests.cluster.provider import Provider
from tests.support import processes
from tests.support.release import Release
from tests.support.traffic import Traffic, assign
from tests.support.triggers import Namespace, Trigger
from tests.support.waiting import until

RATE = 20
"""Messages a second."""
SETTLE = 5.0
"""Seconds between a trigger that is Ready and the answer to its first message, as seen from here."""
QUICK = {"timeout": "5s", "retry": {"attempts": 2, "initialDelay": "100ms"}}
"""Delivery with an attempt of five seconds."""


class Scene:
    """One trigger and its traffic, until the block ends."""

    def __init__(self, namespace: Namespace, cluster: Provider, release: Release) -> None:
        self.namespace, self._cluster, self._release = namespace, cluster, release
        self._stack, self._done = ExitStack(), threading.Event()
        self._watchers = [threading.Thread(target=each) for each in (self._watch_ready, self._watch_answers)]
        self._servers: dict[str, Any] = {}
        self._samples: list[tuple[float, bool]] = []
        self._arrivals: list[float] = []
        self._began = time.monotonic()
        self.trigger: Trigger
        self.traffic: Traffic | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        for watcher in self._watchers:
            if watcher.is_alive():
                watcher.join()
        self._stack.__exit__(kind, error, trace)

    # What happens

    def own_broker(self, properties: Mapping[str, str] | None = None) -> HostBroker:
        """Brokers that nobody else has, which may be harmed. Comes before the trigger."""
        broker = self._stack.enter_context(HostBroker(properties or {}, host=self._cluster.host_address))
        self._use([broker.bootstrap])
        return broker

    def own_brokers(self) -> HostCluster:
        """The same with three of them."""
        brokers = self._stack.enter_context(HostCluster(self._cluster.host_address))
        self._use(brokers.servers)
        return brokers

    def _use(self, servers: list[str]) -> None:
        self.namespace = Namespace(self.namespace.name, ",".join(servers), self._release)
        self._servers = {"kafka": {"bootstrapServers": servers}}

    def apply(self, function: str = "functions:stamp", rate: int = RATE, keys: int = 20, **spec: Any) -> Trigger:
        """A trigger that gets messages from now on, whether it can run them or not."""
        self.trigger = self.namespace.trigger(function, **{"delivery": QUICK, **self._servers, **spec})
        self._began = time.monotonic()
        for watcher in self._watchers:
            watcher.start()
        if rate:
            traffic = Traffic(self.namespace.bootstrap, self.trigger.source, rate, keys)
            self.traffic = self._stack.enter_context(traffic)
        return self.trigger

    def start(self, **spec: Any) -> Trigger:
        """A trigger that runs its messages."""
        trigger = self.apply(**spec)
        trigger.wait_ready()
        until(lambda: self._arrivals or not self.traffic, 30, "the first answer")
        return trigger

    def signal(self, module: str, signal: int) -> None:
        """To all processes of the trigger's pod that run the module."""
        (pod,) = self.trigger.pod_names()
        found = processes.of(pod, module)
        assert found, f"no process of {pod} runs {module}"
        for process in found:
            os.kill(process, signal)

    # What is seen

    def wait_told(self, reason: str, seconds: float) -> None:
        """Until Ready is False for this reason; then whoever waits for Ready waits."""
        self.trigger.wait("Ready", "False", reason, seconds=seconds)
        try:
            self.trigger.kubectl("wait", self.trigger.resource, "--for=condition=Ready", "--timeout=1s")
        except ClusterError:
            return
        raise AssertionError(f"kubectl wait took {self.trigger.name} for ready in spite of {reason}")

    def wait_over(self, seconds: float) -> None:
        """Until it is Ready, and a message was answered since now."""
        now = time.monotonic()
        self.trigger.wait_ready(seconds)
        if self.traffic:
            until(lambda: self._arrivals and self._arrivals[-1] > now, seconds, "an answer")

    def assert_ready_meant_flow(self, limit: float) -> None:
        """Ready was never True after so many seconds without an answer, until shortly before the next one."""
        for last, following in pairwise([self._began, *self._arrivals, time.monotonic()]):
            lies = [at for at, is_ready in self._samples if is_ready and last + limit < at < following - SETTLE]
            assert not lies, f"Ready was True {lies[0] - last:.0f} s into {following - last:.0f} s without an answer"

    def assert_stayed_ready(self, seconds: float) -> None:
        """From now on, for so long."""
        now = time.monotonic()
        self._done.wait(seconds)
        after = [is_ready for at, is_ready in self._samples if at > now]
        assert after
        assert all(after), f"it was not Ready any more: {self.trigger.conditions()['Ready']}"

    def assert_nothing_is_missing(self) -> None:
        """All that was sent is answered, in the order of its key."""
        if self.traffic:
            self.traffic.stop()
            self.trigger.answered(self.traffic.sent)

    def _watch_ready(self) -> None:
        while not self._done.wait(0.3):
            conditions = self.trigger.body().get("status", {}).get("conditions", [])
            is_ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
            self._samples.append((time.monotonic(), is_ready))

    def _watch_answers(self) -> None:
        settings = {"bootstrap.servers": self.namespace.bootstrap, "group.id": "watch", "enable.auto.commit": False}
        consumer = Consumer(settings)
        while not self._done.is_set() and not assign(consumer, self.trigger.responses):
            self._done.wait(0.3)
        while not self._done.is_set():
            self._arrivals += [time.monotonic() for each in consumer.consume(500, 0.2) if each.error() is None]
        consumer.close()
