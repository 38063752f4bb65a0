"""Runs a consumer: `python -m kafkatrigger.consumer --config FILE`."""

import argparse
import gc
import logging
import os
import signal
import sys
from pathlib import Path

import msgspec

from kafkatrigger.api import logs, start_policy
from kafkatrigger.api.consumer_config import CONFIG_PATH, RUNTIME_SOCKET, STATUS_PORT, ConsumerConfig
from kafkatrigger.consumer import http, metrics
from kafkatrigger.consumer.engine import Engine
from kafkatrigger.consumer.health import Health

log = logging.getLogger("kafkatrigger.consumer")


def main() -> None:
    """Consumes until SIGTERM or SIGINT."""
    options = _options()
    logs.configure()
    try:
        config = msgspec.json.decode(options.config.read_bytes(), type=ConsumerConfig)
        policy = start_policy.from_environment(os.environ, config.partition_timestamps)
    except (OSError, msgspec.DecodeError) as error:
        sys.exit(f"the configuration {options.config} cannot be used: {error}")
    health = Health(f"{config.namespace}/{config.name}", config.group_id)
    server = http.serve(health, metrics.registry(health), options.port)
    engine = Engine(config, policy, str(options.socket), health)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: engine.stop())
    log.info(
        "consuming %s as group %s; status at port %d",
        ", ".join(config.topics),
        config.group_id,
        server.server_address[1],
    )
    _tune_garbage_collection()
    engine.run()
    server.shutdown()


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
        "--socket", type=Path, default=Path(RUNTIME_SOCKET), help="socket of the runtime (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=STATUS_PORT, help="port of /status, /metrics and the probes (default: %(default)s)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
