"""The process of a consumer, from its configuration to its end."""

import argparse
import gc
import logging
import os
import sys
import threading
from pathlib import Path

import msgspec
import xxhash
from confluent_kafka import KafkaError, KafkaException

from kafkatrigger.api import logs, pod_status, start_policy
from kafkatrigger.api.checkpoint import CHECKPOINT_PATH
from kafkatrigger.api.consumer_config import CONFIG_PATH, CONTROL_SOCKET, RUNTIME_SOCKET, STATUS_PORT, ConsumerConfig
from kafkatrigger.api.pod_status import PodStatus
from kafkatrigger.api.stop import REVISION_VARIABLE
from kafkatrigger.consumer import http, metrics, ports, signals
from kafkatrigger.consumer.control import Control
from kafkatrigger.consumer.engine import Engine
from kafkatrigger.consumer.health import Health
from kafkatrigger.consumer.start import Policy

log = logging.getLogger("kafkatrigger.consumer")


def main() -> None:
    """Consumes until SIGTERM or SIGINT."""
    options = _options()
    logs.configure()
    try:
        config = msgspec.json.decode(options.config.read_bytes(), type=ConsumerConfig)
        start = start_policy.from_environment(os.environ, config.partition_timestamps)
    except (OSError, msgspec.DecodeError) as error:
        sys.exit(f"the configuration {options.config} cannot be used: {error}")
    trigger = f"{config.namespace}/{config.name}"
    logs.speak_of(trigger)
    logs.follow_level()
    health = Health(trigger, config.group_id)
    server = http.serve(health, metrics.registry(health), options.port)
    log.info(
        "consuming %s as group %s; status at port %d",
        ", ".join(config.sources),
        config.group_id,
        server.server_address[1],
    )
    _tune_garbage_collection()
    try:
        policy = Policy(start, config.redrive_topic, _revision(options.config), options.checkpoint)
        engine = Engine(
            config,
            ports.real(config, policy, options.socket, options.transformations),
            health,
            Control(options.control),
        )
        signals.on_stop(engine.stop)
        engine.run()
    except KafkaException as error:
        if error.args[0].code() != KafkaError._INVALID_ARG:
            raise
        _wait_for_other_options(health, error.args[0].str())
    server.shutdown()


def _revision(config: Path) -> int:
    """Stands for the trigger's spec in commits: a stop ends when it changes."""
    return xxhash.xxh3_64_intdigest(os.environ.get(REVISION_VARIABLE, "").encode() or config.read_bytes())


def _wait_for_other_options(health: Health, words: str) -> None:
    """The client takes no such combination of options. Ending would make a crash loop; other options come with another pod."""
    message = f"the Kafka client refuses the options ({words}): correct spec.kafka.options or spec.source.options"
    log.error("%s", message)
    health.publish(PodStatus(health.status.trigger, False, pod_status.OPTIONS_REFUSED, message, health.status.group_id))
    stopped = threading.Event()
    signals.on_stop(stopped.set)
    while not stopped.wait(1):
        health.tick()


def _tune_garbage_collection() -> None:
    """Messages make no cycles: looking for some after every few hundred of them is the work of the default."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="kafkatrigger.consumer", description="Consumes the topics of one KafkaTrigger."
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=Path(CONFIG_PATH),
        help="configuration written by the operator (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=CHECKPOINT_PATH,
        help="folder with what the trigger remembers of its progress (default: %(default)s)",
    )
    parser.add_argument(
        "--socket", type=Path, default=Path(RUNTIME_SOCKET), help="socket of the runtime (default: %(default)s)"
    )
    parser.add_argument(
        "--transformations",
        type=Path,
        help="file with the Transformations, as a list in JSON (default: those of the namespace, where some run)",
    )
    parser.add_argument(
        "--control", type=Path, default=Path(CONTROL_SOCKET), help="socket for people's requests (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=STATUS_PORT, help="port of /status, /metrics and the probes (default: %(default)s)"
    )
    return parser.parse_args()
