"""Transformations through a real broker and a real runtime: one for every message, and those that messages ask for."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kafkatrigger.runtime.transformations.model import Revision
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import spec, wait_committed
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.unit.runtime.transformations.helpers import component, workflow

GUARANTEES = pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
ADD = component(
    "add", "def main(*, x, y):\n    return {'sum': 1 / x * x * x + y}\n", "x: FLOAT, y: FLOAT = 1", "sum: FLOAT"
)
TWICE = workflow("twice", {"a": "add", "b": "add"}, "x -> a.x, a.sum -> b.x, b.sum -> sum", "x: FLOAT", "sum: FLOAT")


class TransformingPod(Pod):
    """With Transformations in a file."""

    @property
    def transformations(self) -> Path:  # type: ignore[override]
        return self.folder / "transformations.json"

    def put(self, *revisions: Revision) -> None:
        """In one step; all of them may be requested."""
        labels = {"kafkatrigger.dev/requestable": "true"}
        items = [{"metadata": {"name": each.name, "labels": labels}, "spec": each} for each in revisions]
        scratch = self.folder / "new.json"
        scratch.write_bytes(msgspec.json.encode({"items": items}))
        scratch.replace(self.transformations)


def documents(messages: list[Any]) -> dict[str, Any]:
    """Values by key."""
    return {each.key().decode(): json.loads(each.value()) for each in messages}


@GUARANTEES
def test_one_for_every_message(broker: HostBroker, topics: Topics, guarantee: str) -> None:
    source, side = topics.create(1), topics.create(1, "side")
    wiring = {"inputs": [{"name": "x", "from": "value.x"}], "outputs": [{"name": "sum", "topic": side}]}
    trigger = spec(broker, source, delivery={"guarantee": guarantee})
    trigger["transformation"] = {"ref": {"name": "twice"}, "wiring": wiring}
    with TransformingPod(trigger) as pod:
        pod.put(ADD, TWICE)
        pod.wait_ready()
        topics.produce(source, [(b"a", b'{"x": 1}'), (b"b", b'{"x": 2}'), (b"c", b'{"y": 2}'), (b"d", b'{"x": 0}')])
        wait_committed(topics, pod, source)
        assert {job["result"] for job in documents(topics.read(f"{source}.out", 2)).values()} == {"ok"}
        records = documents(topics.read(side, 2))
        assert {key: each["value"]["value"] for key, each in records.items()} == {"a": 3, "b": 4}
        dead = {
            each.key(): dict(each.headers() or [])["kafkatrigger.error.message"]
            for each in topics.read(f"{source}.dlq", 2)
        }
        assert dead[b"c"] == b"the input 'x' has no default, and 'value.x' finds nothing in the message"
        assert dead[b"d"].startswith(b"float division by zero (twice > a, COMPONENT CODE, main, line 2)")


@GUARANTEES
def test_what_messages_ask_for(broker: HostBroker, topics: Topics, guarantee: str) -> None:
    source = topics.create(1)
    trigger = spec(broker, source, delivery={"guarantee": guarantee})
    trigger["transformation"] = {"request": {"schema": "Execute"}}

    def request(identity: str, x: str) -> bytes:
        wired = [{"workflow_input_name": "x", "filters": {"value": x}}]
        return json.dumps({"id": identity, "wiring": {"input_wirings": wired}}).encode()

    with TransformingPod(trigger) as pod:
        pod.put(ADD, TWICE)
        pod.wait_ready()
        given = [
            (b"good", request("twice", "1")),
            (b"zero", request("twice", "0")),
            (b"none", request("no", "1")),
            (b"junk", b"{"),
        ]
        topics.produce(source, given)
        wait_committed(topics, pod, source)
        answers = documents(topics.read(f"{source}.out", len(given)))
        assert answers["good"]["output_results_by_output_name"] == {"sum": 3}
        kinds = {"zero": "ZeroDivisionError", "none": "UnknownTransformation", "junk": "InvalidRequest"}
        assert {key: answers[key]["error"]["type"] for key in kinds} == kinds
        assert sum(topics.ends(f"{source}.dlq").values()) == 0
        pod.put(ADD)
        topics.produce(source, [(b"gone", request("twice", "1"))])
        wait_committed(topics, pod, source)
