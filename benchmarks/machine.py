"""The shape of the machine, without a word on whose it is."""

import importlib.metadata
import os
import platform
from pathlib import Path

import confluent_kafka

from benchmarks import contestants
from tests.cluster import settings


def shape() -> dict[str, str]:
    """Cores, memory and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = contestants.versions()
    return {
        "cores": str(cores()),
        "processor": _processor(),
        "memory": f"{memory:.0f} GiB",
        "kernel": platform.release().partition("-")[0],
        "Python": platform.python_version(),
        "Kafka": f"{settings.KAFKA}, one broker on the same machine",
        "confluent-kafka": f"{importlib.metadata.version('confluent-kafka')} (librdkafka {confluent_kafka.libversion()[0]})",
        **versions,
    }


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
