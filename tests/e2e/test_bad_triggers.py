"""Triggers that cannot work: each says what is wrong, and works when it is mended."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.errors import ClusterError
from tests.support.release import IMAGE, Release
from tests.support.triggers import BROKERS, Namespace, Trigger
from tests.support.waiting import until

KAFKA_HERE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "our-kafka"},
    "spec": {"type": "ExternalName", "externalName": "kafka.kafka.svc.cluster.local"},
}


@pytest.fixture(autouse=True)
def operator_lives(release: Release) -> Iterator[None]:
    """Whatever a trigger says, the operator goes on."""
    (pod,) = release.pods()
    yield
    (same,) = release.pods()
    assert same["metadata"]["uid"] == pod["metadata"]["uid"]
    assert release.restarts() == 0


def test_an_unknown_function(namespace: Namespace) -> None:
    trigger = namespace.trigger("functions:stomp")
    trigger.wait("Ready", "False", "TransformationNotLoaded", "stomp", "functions")
    trigger.patch(transformation={"function": "functions:stamp"})
    _works(trigger)


def test_an_unknown_module(namespace: Namespace) -> None:
    trigger = namespace.trigger("nowhere:stamp")
    trigger.wait("Ready", "False", "TransformationNotLoaded", "nowhere")
    trigger.patch(transformation={"function": "functions:stamp"})
    _works(trigger)


def test_a_broker_that_cannot_be_reached(namespace: Namespace) -> None:
    trigger = namespace.trigger(kafka={"bootstrapServers": ["our-kafka:9092"]})
    message = trigger.wait("Connected", "False", "BrokersUnreachable", "our-kafka:9092", "spec.kafka.bootstrapServers")
    assert trigger.wait("Ready", "False", "BrokersUnreachable") == message
    namespace.apply(KAFKA_HERE)
    _works(trigger)


def test_a_broker_whose_name_is_corrected(namespace: Namespace) -> None:
    trigger = namespace.trigger(kafka={"bootstrapServers": ["kafka.kafka.svc:9099"]})
    trigger.wait("Ready", "False", "BrokersUnreachable", "kafka.kafka.svc:9099")
    trigger.patch(kafka={"bootstrapServers": [BROKERS]})
    _works(trigger)


def test_a_topic_that_is_missing(namespace: Namespace) -> None:
    trigger = namespace.unapplied().apply()
    message = trigger.wait("Connected", "False", "TopicNotFound", trigger.source, "Create it")
    assert trigger.wait("Ready", "False", "TopicNotFound") == message
    namespace.topic("rul.source")
    _works(trigger)


def test_an_image_that_cannot_be_pulled(namespace: Namespace) -> None:
    trigger = namespace.trigger(runtime={"image": "localhost:1/nobody/nothing:none"})
    trigger.wait("Deployed", "False", "ImagePullFailed", "localhost:1/nobody/nothing:none")
    trigger.patch(runtime={"image": IMAGE})
    _works(trigger)


def test_a_quota_that_forbids_pods(namespace: Namespace) -> None:
    namespace.forbid_pods()
    trigger = namespace.trigger()
    trigger.wait("Deployed", "False", "QuotaExceeded", "exceeded quota: nothing")
    namespace.allow_pods()
    _works(trigger)


def test_a_group_that_another_trigger_has(namespace: Namespace) -> None:
    older = namespace.trigger(name="older", source={"topics": [f"{namespace.name}.older.source"], "groupId": "shared"})
    older.wait_ready()
    until(lambda: older.body()["metadata"]["creationTimestamp"] < _now(), 5, "the next second")
    younger = namespace.trigger(
        name="younger", source={"topics": [f"{namespace.name}.younger.source"], "groupId": "shared"}
    )
    younger.wait("Accepted", "False", "GroupInUse", f"{namespace.name}/older", "shared")
    assert not younger.all_pods()
    older.delete()
    _works(younger)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"source": {"topics": ["a"]}, "response": {"topic": "a"}}, "response.topic is also a source topic"),
        ({"source": {"topics": ["a"], "initialOffsetResetPolicy": "2024-13-01T00:00:00Z"}}, "initialOffsetResetPolicy"),
        ({"transformation": {"function": "not a function"}}, "transformation.function"),
    ],
    ids=["response-to-source", "month-13", "function"],
)
def test_a_spec_that_is_refused(namespace: Namespace, spec: dict[str, Any], sentence: str) -> None:
    trigger = namespace.unapplied(**spec)
    with pytest.raises(ClusterError, match=sentence):
        trigger.apply()


def _works(trigger: Trigger) -> None:
    trigger.wait_ready()
    trigger.produce(range(10))
    assert len(trigger.answered(10)) == 10


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
