"""The engine's connections to the world: Kafka, the runtime, and the operator's file. A simulation has others."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.frames import Record
from kafkatrigger.api.stop import STOPPED_PATH
from kafkatrigger.consumer import startup
from kafkatrigger.consumer.catalog import Assignment
from kafkatrigger.consumer.catalog_cluster import ApiServer, ClusterCatalog
from kafkatrigger.consumer.catalog_file import FileCatalog
from kafkatrigger.consumer.guarantees import outbox
from kafkatrigger.consumer.lanes import Lane, Lanes
from kafkatrigger.consumer.outbox import Callbacks, Outbox
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.rereading import Rereader
from kafkatrigger.consumer.runtime_link import RuntimeLink
from kafkatrigger.consumer.source import Source
from kafkatrigger.consumer.span_sender import SpanSender
from kafkatrigger.consumer.spans import Exporter
from kafkatrigger.consumer.start import Policy
from kafkatrigger.consumer.tracing import Tracing
from kafkatrigger.kafka import client

GiveUp = Callable[[list[Partition]], None]
Deliver = Callable[[Lane, Record], bool]


@dataclass(frozen=True)
class Ports:
    """How the engine gets what it works with; each is called once."""

    missing: Callable[[], startup.Problem | None]
    """What is not there yet before the group can be joined. Called until it is None."""
    source: Callable[[GiveUp, Callable[[KafkaError], None], Callable[[], None], Callable[[Partition], None]], Source]
    outbox: Callable[[Callbacks], Outbox]
    rereader: Callable[[Lanes, Deliver], Rereader]
    link: RuntimeLink
    stopped: Path
    tracing: Tracing | None
    """None where nothing is traced."""


def real(config: ConsumerConfig, policy: Policy, socket: Path, transformations: Path | None) -> Ports:
    """A broker, and a runtime that listens on the socket. Transformations are those of a file, or of the namespace."""
    common = client.connection(config.bootstrap_servers, config.connection_options)
    admin = AdminClient({**common, **client.QUIET})
    rereading = client.rereading(common, config.group_id, config.max_buffered_bytes, config.source_options)
    return Ports(
        missing=lambda: startup.missing(config, admin),
        source=lambda *callbacks: Source(config, policy, *callbacks),
        outbox=lambda callbacks: outbox(config, callbacks),
        rereader=lambda lanes, deliver: Rereader(rereading, config.ordering, lanes, deliver),
        link=RuntimeLink(
            str(socket), f"{config.namespace}/{config.name}", config.work, _assignment(config, transformations)
        ),
        stopped=Path(STOPPED_PATH),
        tracing=_tracing(config),
    )


def _assignment(config: ConsumerConfig, transformations: Path | None) -> Assignment | None:
    if config.transforming is None:
        return None
    if transformations is not None:
        return Assignment(config.transforming, FileCatalog(transformations))
    return Assignment(config.transforming, ClusterCatalog(config.namespace, ApiServer(os.environ)))


def _tracing(config: ConsumerConfig) -> Tracing | None:
    if config.tracing is None:
        return None
    exporter = Exporter(config.tracing.endpoint, f"{config.namespace}/{config.name}", config.group_id)
    return Tracing(config.tracing.sampling_ratio, config.group_id, SpanSender(exporter))
