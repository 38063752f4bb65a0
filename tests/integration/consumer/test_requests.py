"""Requests, results for several topics, and large ones: with a real broker."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from confluent_kafka import Message

from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import spec, wait_committed
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until
from tests.unit.consumer.test_catalog import manifest

GUARANTEES = pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
LABELS = {"kafkatrigger.dev/requestable": "true"}
LARGE = 5_000_000


class RequestPod(Pod):
    """With a runtime that serves requests by what they say, and Transformations in a file."""

    runtime_module = "tests.support.request_runtime"

    def put(self, *manifests: dict[str, Any]) -> None:
        """In one step."""
        scratch = self.folder / "new.json"
        scratch.write_bytes(msgspec.json.encode({"items": manifests}))
        scratch.replace(self.transformations)


def requests(broker: HostBroker, source: str, *side: str, **more: Any) -> dict[str, Any]:
    found = spec(broker, source, **more)
    return {**found, "transformation": {"request": {"schema": "Execute", "topics": list(side)}}}


def request(do: str, job: str, **more: Any) -> tuple[bytes, bytes]:
    return job.encode(), json.dumps({"do": do, "job_id": job, **more}).encode()


def by_job(answers: list[Message]) -> dict[str, Any]:
    found = {json.loads(each.value())["job_id"]: json.loads(each.value()) for each in answers}
    assert len(found) == len(answers), "each request has one answer"
    assert all(each.key().decode() == json.loads(each.value())["job_id"] for each in answers)
    return found


@GUARANTEES
def test_every_request_is_answered(broker: HostBroker, topics: Topics, guarantee: str) -> None:
    source, side = topics.create(1), topics.create(1, "side")
    given = [
        request("know", "before"),
        request("crash", "crashed"),
        request("fail", "retried", until=2),
        request("fail", "used-up", until=9),
        request("side", "beside", to=side),
        request("side", "stray", to=f"{source}.dlq"),
        request("know", "after"),
    ]
    with RequestPod(requests(broker, source, side, delivery={"guarantee": guarantee})) as pod:
        pod.wait(lambda now: now.reason == "TransformationNotFound", what="the wait for transformations")
        pod.put(manifest("a", labels=LABELS), manifest("b"))
        pod.wait_ready()
        topics.produce(source, given)
        wait_committed(topics, pod, source)
        answers = by_job(topics.read(f"{source}.out", len(given)))
        assert answers["before"]["known"] == answers["after"]["known"] == answers["retried"]["known"] == ["a"]
        errors = {job: answer["error"] for job, answer in answers.items() if "error" in answer}
        kinds = {"crashed": "WorkerCrashed", "used-up": "Retriable", "stray": "InvalidResult"}
        assert {job: error["type"] for job, error in errors.items()} == kinds
        assert side in errors["stray"]["message"], "it says which topics there are"
        assert [(each.key(), each.value()) for each in topics.read(side, 1)] == [(b"beside", b"beside")]
        assert sum(topics.ends(f"{source}.dlq").values()) == 0
        pod.put(manifest("b", labels=LABELS))
        numbers = itertools.count()

        def knows_the_other() -> bool:
            job = f"later-{next(numbers)}"
            topics.produce(source, [request("know", job)])
            wait_committed(topics, pod, source)
            return bool(by_job(topics.read(f"{source}.out", len(given)))[job]["known"] == ["b"])

        until(knows_the_other, 30, "the change at the runtime")


@GUARANTEES
def test_a_large_response_arrives_on_a_topic_that_the_trigger_made(
    broker: HostBroker, topics: Topics, guarantee: str
) -> None:
    source = topics.create(1)
    with RequestPod(requests(broker, source, delivery={"guarantee": guarantee})) as pod:
        pod.put(manifest("a"))
        pod.wait_ready()
        topics.produce(source, [request("large", "job", bytes=LARGE)])
        wait_committed(topics, pod, source)
        (answer,) = topics.read(f"{source}.out", 1)
        assert (answer.key(), len(answer.value())) == (b"job", LARGE)


@GUARANTEES
def test_a_response_that_its_topic_does_not_take_is_a_failure_that_says_so(
    broker: HostBroker, topics: Topics, guarantee: str
) -> None:
    source = topics.create(1)
    topics.create_named(f"{source}.out", 1, max_message_bytes="1000000")
    with RequestPod(requests(broker, source, delivery={"guarantee": guarantee})) as pod:
        pod.put(manifest("a"))
        pod.wait_ready()
        topics.produce(
            source, [request("know", "before"), request("large", "job", bytes=LARGE), request("know", "after")]
        )
        wait_committed(topics, pod, source)
        answers = by_job(topics.read(f"{source}.out", 3))
        error = answers["job"]["error"]
        assert (answers["job"]["result"], error["type"]) == ("failure", "ResponseTooLarge")
        assert str(LARGE) in error["message"]
        assert "max.message.bytes of the topic is 1000000" in error["message"]
        assert sum(topics.ends(f"{source}.dlq").values()) == 0


@GUARANTEES
def test_a_large_result_of_a_message_arrives_or_is_a_dead_letter(
    broker: HostBroker, topics: Topics, guarantee: str
) -> None:
    """A function's, as any message's that is no request."""
    small, roomy = topics.create(1), topics.create(1)
    topics.create_named(f"{small}.out", 1, max_message_bytes="1000000")
    value = json.dumps({"do": "large", "size": LARGE}).encode()
    for source in (small, roomy):
        with Pod(spec(broker, source, delivery={"guarantee": guarantee})) as pod:
            pod.wait_ready()
            topics.produce(source, [(b"k", value)])
            wait_committed(topics, pod, source)
    (letter,) = topics.read(f"{small}.dlq", 1)
    headers = dict(letter.headers())
    assert (letter.value(), headers["kafkatrigger.error.reason"]) == (value, b"ResponseRefused")
    (answer,) = topics.read(f"{roomy}.out", 1)
    assert len(answer.value()) >= LARGE
