"""`kafkatrigger run` with Transformations in the trigger's file: in streams and requests, and edited meanwhile."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.broker import HostBroker
from tests.support.topics import Topics
from tests.support.waiting import until

ID = "3c1d7f0e-58a4-4c67-9f0b-2f8f6f3a9b11"

TRANSFORMATION = f"""
---
apiVersion: kafkatrigger.dev/v1alpha1
kind: Transformation
metadata: {{name: double-1-0-0, labels: {{kafkatrigger.dev/requestable: "true"}}}}
spec:
  id: {ID}
  revisionGroupId: a7e0c1de-6d0c-4f0e-8a53-70a1f2a4f7c2
  name: Double
  versionTag: 1.0.0
  inputs: [{{name: x, type: FLOAT}}]
  outputs: [{{name: y, type: FLOAT}}, {{name: z, type: FLOAT}}]
  component:
    code: |
      def main(*, x):
          return {{"y": 2 * x, "z": 3 * x}}
"""

STREAM = """
    ref: {name: double-1-0-0, versionTag: 1.0.0}
    wiring:
      inputs: [{name: x, from: value.x}]
      outputs: [{name: z, topic: SOURCE.side}]
"""

REQUESTS = """
    request: {schema: Execute}
"""


def manifest(source: str, transformation: str) -> str:
    return (
        f"""
apiVersion: kafkatrigger.dev/v1alpha1
kind: KafkaTrigger
metadata: {{name: {source}}}
spec:
  kafka: {{bootstrapServers: ["nowhere:1"]}}
  source: {{topics: [{source}]}}
  response: {{topic: {source}.out}}
  transformation: {transformation.replace("SOURCE", source)}
"""
        + TRANSFORMATION
    )


@contextmanager
def running(file: Path, broker: HostBroker) -> Iterator[None]:
    """AssertionError where it does not end well."""
    command = [sys.executable, "-m", "kafkatrigger.cli", "run", "-f", str(file), "--broker", broker.bootstrap]
    log = file.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "--port", "0"], stdout=output, stderr=output)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    assert code == 0, log.read_text()


class Answers:
    """To one message after another."""

    def __init__(self, topics: Topics, source: str, message: bytes) -> None:
        self._topics, self._source, self._message = topics, source, message
        self._count = 0

    def next(self) -> Any:
        self._topics.produce(self._source, [(b"key", self._message)])
        self._count += 1
        answer = self._topics.read(f"{self._source}.out", self._count)[-1]
        assert answer.key() == b"key"
        return json.loads(answer.value())["output_results_by_output_name"]


WIRING = {"input_wirings": [{"workflow_input_name": "x", "filters": {"value": "2.5"}}]}


@pytest.mark.parametrize(
    ("transformation", "message", "first", "second"),
    [
        (STREAM, {"x": 2.5}, {"y": 5.0}, {"y": 50.0}),
        (REQUESTS, {"id": ID, "wiring": WIRING}, {"y": 5.0, "z": 7.5}, {"y": 50.0, "z": 7.5}),
    ],
    ids=["stream", "requests"],
)
def test_what_a_trigger_names_runs_and_what_is_edited_runs_soon(
    broker: HostBroker, topics: Topics, tmp_path: Path, transformation: str, message: Any, first: Any, second: Any
) -> None:
    source = topics.create(1)
    file = tmp_path / "trigger.yaml"
    file.write_text(manifest(source, transformation))
    answers = Answers(topics, source, json.dumps(message).encode())
    with running(file, broker):
        assert answers.next() == first
        if transformation is STREAM:
            (side,) = topics.read(f"{source}.side", 1)
            assert (side.key(), json.loads(side.value())["value"]["value"]) == (b"key", 7.5)
        file.write_text(file.read_text().replace("2 * x", "20 * x"))
        until(lambda: answers.next() == second, 60, "the edited code")
