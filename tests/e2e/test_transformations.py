"""Transformations on the cluster: for every message of a stream, and as requests in both forms, against numpy."""

import json
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Message
from msgspec.structs import replace

from kafkatrigger.cli.manifest import text_of
from kafkatrigger.runtime.transformations.model import Component, Revision, to_manifest
from tests.cluster.settings import image_of
from tests.support import rul
from tests.support.kubernetes import Body
from tests.support.traffic import read_until
from tests.support.transformations import component
from tests.support.triggers import Namespace, Trigger
from tests.support.waiting import until

LIMIT, DAYS = 1.3, 30
KEY = b"plant-7"
"""One for all: what is asked in order is answered in order."""
REQUESTABLE = {"kafkatrigger.dev/requestable": "true"}
ANALYTICS = {"image": image_of("runtime-analytics"), "workers": 1}
"""The image of components that import pandas."""

Response = dict[str, Any]


def test_a_stream_says_what_numpy_says(namespace: Namespace) -> None:
    _publish(namespace, rul.revisions())
    wiring = {
        "inputs": [
            {"name": "inp_series", "from": "value.series"},
            {"name": "limit", "value": LIMIT},
            {"name": "num_days_forecast", "value": DAYS},
        ],
        "outputs": [{"name": "forecast", "topic": f"{namespace.name}.forecasts"}],
    }
    trigger = _trigger(namespace, ref={"name": "rul", "versionTag": "1.0.0"}, wiring=wiring)
    series = rul.measured()
    _send(trigger, {"series": series})
    (message,) = _read(namespace, trigger.responses, 1)
    found = orjson.loads(message.value())
    (written,) = _read(namespace, f"{namespace.name}.forecasts", 1)
    assert message.key() == written.key() == KEY
    forecast = orjson.loads(written.value())["value"]["value"]
    rul.check({**found["output_results_by_output_name"], "forecast": forecast}, series, LIMIT, DAYS)


def test_requests_say_what_numpy_says_and_everything_is_answered(namespace: Namespace) -> None:
    _publish(namespace, rul.revisions())
    (workflow,) = (each for each in rul.revisions() if each.name == "RUL")
    trigger = _trigger(namespace, request={"schema": "Execute"})
    series, job = rul.measured(), str(uuid.uuid4())
    wired = [
        {"workflow_input_name": name, "adapter_id": "direct_provisioning", "filters": {"value": value}}
        for name, value in (("inp_series", json.dumps(series)), ("limit", str(LIMIT)), ("num_days_forecast", str(DAYS)))
    ]
    _send(
        trigger,
        {"id": workflow.id, "job_id": job, "wiring": {"input_wirings": wired}},
        {"id": str(uuid.uuid4()), "wiring": None},
        b"no JSON",
    )
    answers = _responses(trigger, 3)
    assert answers[0]["job_id"] == job
    rul.check(answers[0]["output_results_by_output_name"], series, LIMIT, DAYS)
    assert [each["result"] for each in answers] == ["ok", "failure", "failure"]
    _check_that_new_revisions_are_found(namespace, trigger, len(answers))


def test_requests_of_the_old_form_say_what_numpy_says(namespace: Namespace) -> None:
    _publish(namespace, rul.revisions())
    (workflow,) = (each for each in rul.revisions() if each.name == "RUL")
    trigger = _trigger(namespace, request={"schema": "WorkflowExecution06"})
    series = rul.measured()
    values = {"inp_series": json.dumps(series), "limit": str(LIMIT), "num_days_forecast": str(DAYS)}
    configuration = {"engine": "plain", "name": "a run", "run_pure_plot_operators": False}
    new = {
        "input_wirings": [
            {"workflow_input_name": name, "adapter_id": "direct_provisioning", "filters": {"value": value}}
            for name, value in values.items()
        ],
        "output_wirings": [{"workflow_output_name": "slope", "adapter_id": "direct_provisioning"}],
    }
    old = {
        "inputWirings": [
            {"workflowInputName": name, "adapterId": "direct_provisioning", "filters": {"value": value}}
            for name, value in values.items()
        ],
        "outputWirings": [],
    }
    _send(
        trigger,
        *(
            {"workflowId": workflow.id, "configuration": configuration, "workflow_wiring": wiring}
            for wiring in (new, old)
        ),
    )
    for answer in _responses(trigger, 2):
        assert answer["result"] == "ok", answer["error"]
        rul.check(answer["output_results_by_output_name"], series, LIMIT, DAYS)


def _check_that_new_revisions_are_found(namespace: Namespace, trigger: Trigger, answered: int) -> None:
    """One that is made, and one that is changed, while the pods run."""
    echo = _component("def main(*, x):\n    return {'x': x}\n")
    request = {"id": echo.id, "wiring": {"input_wirings": [{"workflow_input_name": "x", "filters": {"value": "1"}}]}}
    pods = trigger.pod_names()

    def found(value: object) -> Callable[[], bool]:
        def ask() -> bool:
            nonlocal answered
            _send(trigger, request)
            answered += 1
            last = _responses(trigger, answered)[-1]
            return bool(last["output_results_by_output_name"].get("x") == value)

        return ask

    _publish(namespace, [echo])
    until(found(1.0), 30, "the new revision")
    _publish(namespace, [replace(echo, component=Component("def main(*, x):\n    return {'x': -x}\n"))])
    until(found(-1.0), 30, "the change of the revision")
    assert trigger.pod_names() == pods
    assert trigger.restarts() == 0


def _component(code: str) -> Revision:
    made = component("Echo", code, "x: FLOAT", "x: FLOAT")
    return replace(made, id=str(uuid.uuid4()), revision_group_id=str(uuid.uuid4()))


def _publish(namespace: Namespace, revisions: list[Revision]) -> None:
    """As people do with what `kafkatrigger import` wrote."""
    with tempfile.TemporaryDirectory() as folder:
        for revision in revisions:
            manifest: Body = to_manifest(revision, revision.name.lower())
            manifest["metadata"]["labels"] = REQUESTABLE
            Path(folder, f"{revision.name}.yaml").write_text(text_of(manifest))
        namespace.kubectl("apply", "--server-side", f"--filename={folder}")


def _trigger(namespace: Namespace, **transformation: Any) -> Trigger:
    namespace.topic("rul.source", partitions=1)
    trigger = namespace.unapplied(transformation=transformation, runtime=ANALYTICS)
    return trigger.apply().wait_ready()


def _send(trigger: Trigger, *values: object) -> None:
    pairs = [(KEY, _bytes(value)) for value in values]
    trigger.namespace.topics.produce(trigger.source, pairs)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else orjson.dumps(value)


def _read(namespace: Namespace, topic: str, count: int) -> list[Message]:
    return read_until(namespace.bootstrap, topic, lambda messages: len(messages) >= count)


def _responses(trigger: Trigger, count: int) -> list[Response]:
    """The responses in the order in which the requests came."""
    return [orjson.loads(each.value()) for each in _read(trigger.namespace, trigger.responses, count)]
