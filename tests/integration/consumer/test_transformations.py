"""Transformations through a real broker, a real consumer and a real runtime: for every message, and as requests."""

import json
import uuid
from typing import Any

import orjson
import pytest
from confluent_kafka import Message
from msgspec.structs import replace

from kafkatrigger.runtime.transformations.model import Component, Revision
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import spec, wait_committed
from tests.support import rul
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.transformations import component
from tests.support.waiting import until

LIMIT, DAYS = 1.3, 30
ACTS = """
import os, time
def main(*, act):
    if act == "raise":
        raise ValueError("it does not go")
    if act == "die":
        os._exit(3)
    if act == "hang":
        time.sleep(1000)
    return {"text": "x" * int(act)}
"""


def identified(made: Revision) -> Revision:
    """With ids as the resource wants them."""
    return replace(made, id=str(uuid.uuid4()), revision_group_id=str(uuid.uuid4()), state="Released")


ECHO = identified(component("Echo", "def main(*, x):\n    return {'x': x}\n", "x: FLOAT", "x: FLOAT"))
ACT = identified(component("Act", ACTS, "act: STRING", "text: STRING"))


def transforming(broker: HostBroker, topic: str, transformation: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**spec(broker, topic, **more), "transformation": transformation, "runtime": {"workers": 1}}


def request(revision: Revision, **values: str) -> dict[str, Any]:
    wired = [{"workflow_input_name": name, "filters": {"value": value}} for name, value in values.items()]
    return {"id": revision.id, "job_id": str(uuid.uuid4()), "wiring": {"input_wirings": wired}}


def documents(messages: list[Message]) -> list[dict[str, Any]]:
    return [orjson.loads(each.value()) for each in messages]


def workflow() -> Revision:
    return next(each for each in rul.revisions() if each.name == "RUL")


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_a_stream_says_what_numpy_says(broker: HostBroker, topics: Topics, guarantee: str) -> None:
    source = topics.create(1)
    series = rul.measured()
    topics.produce(source, [(b"pump", orjson.dumps({"series": series, "limit": LIMIT}))])
    wiring = {
        "inputs": [
            {"name": "inp_series", "from": "value.series"},
            {"name": "limit", "from": "value.limit"},
            {"name": "num_days_forecast", "value": DAYS},
        ],
        "outputs": [{"name": "forecast", "topic": f"{source}.forecasts"}],
    }
    given = transforming(broker, source, {"ref": {"name": "rul"}, "wiring": wiring}, delivery={"guarantee": guarantee})
    with Pod(given, transformations=rul.revisions()) as pod:
        (response,) = topics.read(f"{source}.out", 1)
        (forecast,) = topics.read(f"{source}.forecasts", 1)
        wait_committed(topics, pod, source)
    assert response.key() == forecast.key() == b"pump"
    (found,), (written,) = documents([response]), documents([forecast])
    assert found["result"] == "ok"
    assert written["job_id"] == found["job_id"]
    rul.check({**found["output_results_by_output_name"], "forecast": written["value"]["value"]}, series, LIMIT, DAYS)


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_a_message_of_a_stream_that_does_not_fit_is_a_dead_letter(
    broker: HostBroker, topics: Topics, guarantee: str
) -> None:
    source = topics.create(1)
    share = identified(component("Share", "def main(*, x):\n    return {'y': 1 / x}\n", "x: FLOAT", "y: FLOAT"))
    wiring = {"inputs": [{"name": "x", "from": "value.x"}], "outputs": [{"name": "y", "topic": f"{source}.side"}]}
    given = transforming(
        broker, source, {"ref": {"name": "share"}, "wiring": wiring}, delivery={"guarantee": guarantee}
    )
    with Pod(given, transformations=[share]) as pod:
        topics.produce(source, [(b"a", b'{"x": 2}'), (b"b", b'{"y": 2}'), (b"c", b'{"x": 0}'), (b"d", b'{"x": 4}')])
        wait_committed(topics, pod, source)
        assert [each["result"] for each in documents(topics.read(f"{source}.out", 2))] == ["ok", "ok"]
        assert sorted(each["value"]["value"] for each in documents(topics.read(f"{source}.side", 2))) == [0.25, 0.5]
        letters = {
            each.key(): dict(each.headers() or [])["kafkatrigger.error.message"]
            for each in topics.read(f"{source}.dlq", 2)
        }
    assert letters[b"b"] == b"the input 'x' has no default, and 'value.x' finds nothing in the message"
    assert letters[b"c"].startswith(b"float division by zero (Share, COMPONENT CODE, main, line 2)")


@pytest.mark.parametrize("schema", ["Execute", "WorkflowExecution06"])
def test_requests_say_what_numpy_says(broker: HostBroker, topics: Topics, schema: str) -> None:
    source = topics.create(1)
    series = rul.measured()
    values = {"inp_series": json.dumps(series), "limit": str(LIMIT), "num_days_forecast": str(DAYS)}
    new = request(workflow(), **values)
    old = {"workflowId": new["id"], "workflow_wiring": new["wiring"], "configuration": {"engine": "plain", "name": "x"}}
    topics.produce(source, [(b"job", orjson.dumps(new if schema == "Execute" else old))])
    with Pod(transforming(broker, source, {"request": {"schema": schema}}), transformations=rul.revisions()):
        (message,) = topics.read(f"{source}.out", 1)
    (found,) = documents([message])
    assert message.key() == b"job"
    assert found["result"] == "ok", found["error"]
    rul.check(found["output_results_by_output_name"], series, LIMIT, DAYS)


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_every_request_is_answered_with_its_job_and_key(broker: HostBroker, topics: Topics, guarantee: str) -> None:
    source = topics.create(2)
    topics.create_named(f"{source}.out", 2, max_message_bytes="200000")
    asked = {
        "ok": (request(ECHO, x="1.5"), None),
        "unknown": (request(ECHO, x="1") | {"id": str(uuid.uuid4())}, "UnknownTransformation"),
        "unwired": (request(ECHO), "InvalidWiring"),
        "no number": (request(ECHO, x="much"), "InvalidData"),
        "raises": (request(ACT, act="raise"), "ValueError"),
        "dies": (request(ACT, act="die"), "WorkerCrashed"),
        "hangs": (request(ACT, act="hang"), "Timeout"),
        "too large": (request(ACT, act="1000000"), "ResponseTooLarge"),
        "fine again": (request(ACT, act="3"), None),
    }
    topics.produce(source, [(key.encode(), orjson.dumps(each)) for key, (each, _) in asked.items()])
    topics.produce(source, [(b"no request", b"{"), (None, b"[1]"), (b"tombstone", None)])
    delivery = {"guarantee": guarantee, "timeout": "3s"}
    given = transforming(broker, source, {"request": {"schema": "Execute"}}, delivery=delivery)
    with Pod(given, transformations=[ECHO, ACT]) as pod:
        messages = topics.read(f"{source}.out", len(asked) + 3, seconds=120)
        wait_committed(topics, pod, source)
        now = pod.status_now()
        assert now.outcomes == {"succeeded": len(messages)}
    assert len(messages) == len(asked) + 3
    found = {each.key(): orjson.loads(each.value()) for each in messages}
    for key, (each, kind) in asked.items():
        answer = found[key.encode()]
        assert answer["job_id"] == each["job_id"], key
        assert (answer["result"], answer["error"] and answer["error"]["type"]) == ("failure" if kind else "ok", kind), (
            key
        )
    for nothing in (b"no request", None, b"tombstone"):
        assert found[nothing]["result"] == "failure"
        assert uuid.UUID(found[nothing]["job_id"])
    assert set(map(tuple, found.values())) == {tuple(found[b"ok"])}, "all have the same fields in the same order"


def test_revisions_that_are_new_or_changed_are_found_without_a_restart(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    answered = 0

    def answer() -> Any:
        nonlocal answered
        answered += 1
        topics.produce(source, [(b"k", orjson.dumps(request(ECHO, x="1")))])
        return documents(topics.read(f"{source}.out", answered))[-1]["output_results_by_output_name"].get("x")

    with Pod(transforming(broker, source, {"request": {"schema": "Execute"}}), transformations=[ACT]) as pod:
        assert answer() is None
        pod.publish([ACT, ECHO])
        until(lambda: answer() == 1.0, 20, "the new revision")
        pod.publish([ACT, replace(ECHO, component=Component("def main(*, x):\n    return {'x': -x}\n"))])
        until(lambda: answer() == -1.0, 20, "the change")
        pod.publish([ACT])
        until(lambda: answer() is None, 20, "the removal")
        assert pod.status_now().worker_restarts == {}


def test_a_stream_waits_for_its_transformation_and_follows_it(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.produce(source, [(b"k", b"1")])
    wiring = {"inputs": [{"name": "x", "from": "value"}]}
    given = transforming(broker, source, {"ref": {"name": "echo"}, "wiring": wiring})
    with Pod(given, transformations=[ACT]) as pod:
        until(lambda: "there is no Transformation echo" in pod.get("/readyz")[1], 30, "the sentence")
        pod.publish([ACT, ECHO])
        (first,) = documents(topics.read(f"{source}.out", 1))
        pod.publish([replace(ECHO, component=Component("def main(*, x):\n    return {'x': -x}\n"))])

        def is_followed() -> bool:
            topics.produce(source, [(b"k", b"2")])
            count = topics.ends(source)[0]
            found = documents(topics.read(f"{source}.out", count))[-1]["output_results_by_output_name"]
            return bool(found["x"] == -2.0)

        until(is_followed, 30, "the change")
        wait_committed(topics, pod, source)
    assert first["output_results_by_output_name"]["x"] == 1.0
