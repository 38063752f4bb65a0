"""An Apache Kafka as a process of this machine, for tests: real, single node, gone when the context ends."""

import signal
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from . import kafka_jars, scratch
from .process import Daemon, Process
from .shell import run
from .waiting import free_ports

_JAVA = ("java", "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
)
_STARTED = "Kafka Server started"
_START_SECONDS = 60.0

_DEFAULTS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    # One broker can hold one replica.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # 50 partitions of each by default: most of the time of the first commit.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    # A group that waits for more members makes every test wait.
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    # A broker that comes back after a crash is let in only when the session of its former life has expired.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}

STRICT = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
"""Properties of a broker that asks who may do what."""

_REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
}


@dataclass
class HostBroker:
    """A broker on the loopback device, which is its own controller; `bootstrap` is its address, also before it runs and while it is stopped.

    `host` is another address of this machine, where pods reach it. `properties` are added to server.properties and win over ours: listeners with TLS or SASL, quotas, limits.
    Stopped or killed, it can be started again with its data on the same port.
    """

    properties: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    host: str = "127.0.0.1"
    voters: Sequence[str] = ()
    """All controllers as id@host:port, where it is one of several."""
    cluster_id: str = field(default_factory=lambda: urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode())
    folder: Path = field(init=False)
    _controller_port: int = field(init=False)

    def __post_init__(self) -> None:
        port, self._controller_port = free_ports(2)
        self.port = self.port or port
        self.folder = scratch.new_folder("kafka")

    @property
    def bootstrap(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def controller(self) -> str:
        return f"127.0.0.1:{self._controller_port}"

    @property
    def log(self) -> Path:
        return self._daemon.log

    def start(self) -> None:
        """Starts it, with the data of the last time when there is some; returns when it serves."""
        kafka_jars.ensure()
        if not self._properties_file.exists():
            self._format()
        earlier = self._starts()
        self._daemon.start([*self._java(), "kafka.Kafka", self._properties_file])
        self._daemon.wait(lambda: self._starts() > earlier, _START_SECONDS)

    def stop(self) -> None:
        """A clean stop, as in a rolling upgrade."""
        self._daemon.stop(seconds=30)

    def kill(self) -> None:
        """A crash."""
        self._daemon.kill()

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._running().pid

    def freeze(self) -> None:
        """Keeps its connections open and answers nothing, as a broker that hangs or a network that drops packets."""
        self._running().signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._running().signal(signal.SIGCONT)

    def _running(self) -> Process:
        process = self._daemon.process()
        if process is None:
            raise self._daemon.failure("does not run")
        return process

    @property
    def _daemon(self) -> Daemon:
        return Daemon("kafka", self.folder)

    @property
    def _properties_file(self) -> Path:
        return self.folder / "server.properties"

    def _java(self) -> list[str | Path]:
        return [*_JAVA, *_LOGGING, "-cp", f"{kafka_jars.ENTRY.path}/libs/*"]

    def _format(self) -> None:
        properties = {**_DEFAULTS, **self._addresses(), **self.properties}
        self._properties_file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        storage = ["kafka.tools.StorageTool", "format", f"--cluster-id={self.cluster_id}"]
        alone = [] if self.voters else ["--standalone"]
        run([*self._java(), *storage, *alone, "--config", self._properties_file])

    def _addresses(self) -> dict[str, str]:
        addresses = f"PLAINTEXT://{self.bootstrap},CONTROLLER://{self.controller}"
        quorum = (
            {"controller.quorum.voters": ",".join(self.voters)}
            if self.voters
            else {"controller.quorum.bootstrap.servers": self.controller}
        )
        return {
            "log.dirs": str(self.folder / "data"),
            "listeners": addresses,
            "advertised.listeners": addresses,
            **quorum,
        }

    def _starts(self) -> int:
        """How often it said that it is up. Its port accepts connections long before, and says nothing with TLS."""
        return self.log.read_text().count(_STARTED) if self.log.exists() else 0

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            scratch.remove(self.folder)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        scratch.remove(self.folder)


class HostCluster:
    """Three brokers, each a controller as well; everything has a replica on each of them."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.brokers = [HostBroker({"node.id": str(number), **_REPLICATED}, host=host) for number in (1, 2, 3)]
        voters = [f"{number}@{broker.controller}" for number, broker in enumerate(self.brokers, 1)]
        for broker in self.brokers:
            broker.voters, broker.cluster_id = voters, self.brokers[0].cluster_id

    @property
    def servers(self) -> list[str]:
        return [broker.bootstrap for broker in self.brokers]

    @property
    def bootstrap(self) -> str:
        return ",".join(self.servers)

    def broker(self, node: int) -> HostBroker:
        """By its id."""
        return self.brokers[node - 1]

    def __enter__(self) -> Self:
        kafka_jars.ensure()
        try:
            # None of them serves before most of them are there.
            with ThreadPoolExecutor() as threads:
                list(threads.map(HostBroker.start, self.brokers))
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        for broker in self.brokers:
            scratch.remove(broker.folder)
