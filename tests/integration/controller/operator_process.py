"""The operator as a process, as its image runs it, against a control plane."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.waiting import free_ports
from tests.support.waiting import until

SOURCES = Path(__file__).parents[3] / "operator"
START = "from kafkatrigger.cli.operator import operator; operator()"

SETTINGS: dict[str, Any] = {
    "consumer": {"image": "example.com/consumer:1"},
    "runtime": {"image": "example.com/runtime:1"},
    "groupIdPrefix": "test.",
    "defaults": {"delivery": {"timeout": "1m"}},
}


class OperatorProcess:
    """A running operator."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, metrics_port: int) -> None:
        self.process, self._log, self.metrics_port = process, log, metrics_port

    @property
    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> None:
        """Ends it as Kubernetes would."""
        self.process.terminate()
        self.process.wait(20)


@contextmanager
def running_operator(kubeconfig: Path, folder: Path, hurry: str = "", **settings: Any) -> Iterator[OperatorProcess]:
    """An operator that finished its first list; it ends with the context. `hurry` is Python that shortens its waits."""
    health, metrics = free_ports(2)
    file, log = folder / "operator.yaml", folder / "operator.log"
    file.write_text(yaml.safe_dump({**SETTINGS, "healthPort": health, "metricsPort": metrics, **settings}))
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(SOURCES)}
    with log.open("wb") as output:
        command = [sys.executable, "-c", f"{hurry}\n{START}", "--settings", str(file)]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    operator = OperatorProcess(process, log, metrics)
    try:
        until(lambda: "authentication has finished" in operator.log, 30, "the operator's start")
        yield operator
    finally:
        operator.stop()
