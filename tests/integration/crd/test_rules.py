"""Every CEL rule of the definition refuses a wrong trigger with its sentence, and lets a right one pass."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from kafkatrigger.api.client_options import CONNECTION_OPTIONS, SOURCE_OPTIONS
from kafkatrigger.api.crd import definition
from tests.support.kubernetes import TRIGGERS, Api, Body, RefusedError

TRIGGER: Body = {
    "apiVersion": "kafkatrigger.dev/v1alpha1",
    "kind": "KafkaTrigger",
    "metadata": {"name": "rul", "namespace": "default"},
    "spec": {
        "kafka": {"bootstrapServers": ["kafka:9092"]},
        "source": {"topics": ["machine-data"]},
        "transformation": {"function": "package.module:function"},
    },
}

# Where, what is wrong there, what would be right, and the sentence of the refusal.
RULES = [
    ("metadata.name", "n" * 46, "n" * 45, "metadata.name is longer than 45 characters"),
    ("spec.kafka.options", {"plugin.library.paths": "x"}, {"client.rack": "a"}, f"only these options may be set: {', '.join(sorted(CONNECTION_OPTIONS))}"),
    ("spec.kafka.options", {"sasl.password": "x"}, {}, "only these options may be set"),
    ("spec.source.topics", [".."], ["a"], "Kafka allows no topic named . or .."),
    ("spec.response.topic", ".", "a", "Kafka allows no topic named . or .."),
    ("spec.delivery.deadLetter.topic", "..", "...", "Kafka allows no topic named . or .."),
    ("spec.source", {"topics": ["a", "g.redrive"], "groupId": "g"}, {"topics": ["a", "h.redrive"], "groupId": "g"},
     "source.topics has the trigger's own redrive topic"),
    *[
        ("spec", {**TRIGGER["spec"], "source": {"topics": ["a"], "groupId": "g"}, **to("g.redrive")},
         {**TRIGGER["spec"], "source": {"topics": ["a"], "groupId": "g"}, **to("h.redrive")},
         "neither responses nor dead letters may go there")
        for to in (lambda topic: {"response": {"topic": topic}}, lambda topic: {"delivery": {"deadLetter": {"topic": topic}}})
    ],
    ("spec.source", {"topics": ["a"], "topicPattern": "a"}, {"topics": ["a"]}, "source needs exactly one of topics and topicPattern"),
    ("spec.source", {"groupId": "g"}, {"groupId": "g", "topicPattern": r"plant-[0-9]{1,3}\.(eu|us)+"}, "source needs exactly one of topics and topicPattern"),
    *[
        ("spec.source", {"topicPattern": wrong}, {"topicPattern": "a"}, "source.topicPattern is no pattern for names of topics")
        for wrong in ("^a", "(?i)a", r"\d", "a++", "(a){2}", "a\n")
    ],
    ("spec.source", {"topicPattern": "(a"}, {"topicPattern": "(a)", "partitionTimestamps": {"a": {"0": 5}}}, "missing closing )"),
    ("spec.source.filter", " \t\n", "value.temperature > 80", "source.filter is blank: write an expression"),
    ("spec.delivery.breaker.failureRatio", 1, 0.99, "delivery.breaker.failureRatio is less than 1, or nothing could exceed it"),
    ("spec.delivery.breaker.window", "999ms", "1s", "delivery.breaker.window lies between 1s and 1h"),
    ("spec.delivery.breaker.window", "1h1s", "1h", "delivery.breaker.window lies between 1s and 1h"),
    ("spec.kafka.options", {"socket.timeout.ms": "9"}, {"socket.timeout.ms": "10"}, "socket.timeout.ms 10 to 300000"),
    ("spec.kafka.options", {"socket.timeout.ms": "fast"}, {}, "these options take"),
    ("spec.kafka.options", {"broker.address.family": "v5"}, {"broker.address.family": "v4"}, "broker.address.family any or v4 or v6"),
    ("spec.source.options", {"fetch.min.bytes": "0"}, {"fetch.min.bytes": "1"}, "fetch.min.bytes 1 to 100000000"),
    ("spec.source", {"topics": ["a"], "options": {"session.timeout.ms": "10000"}},
     {"topics": ["a"], "options": {"session.timeout.ms": "10000"}, "groupProtocol": "Classic"},
     "which the broker decides unless source.groupProtocol is Classic"),
    ("spec.source.options", {"group.id": "x"}, {"fetch.min.bytes": "5"}, f"only these options may be set: {', '.join(sorted(SOURCE_OPTIONS))}"),
    ("spec.source.initialOffsetResetPolicy", "2024-13-01T00:00:00Z", "2024-12-01T00:00:00Z", "write earliest, latest, epoch milliseconds"),
    ("spec.source.initialOffsetResetPolicy", "2024-12-01T00:00:00", "2024-12-01T00:00:00+01:00", "write earliest, latest, epoch milliseconds"),
    ("spec.source.initialOffsetResetPolicy", -1, 0, "write earliest, latest, epoch milliseconds"),
    ("spec.source.initialOffsetResetPolicy", "beginning", "earliest", "write earliest, latest, epoch milliseconds"),
    ("spec.source.initialOffsetResetPolicy", "1969-12-31T00:00:00Z", "latest", "write earliest, latest, epoch milliseconds"),
    ("spec.source.partitionTimestamps", {"machine-data": {"01": 5}}, {"machine-data": {"0": 5, "10": 6}}, "the keys below a topic are partition numbers"),
    ("spec.source.partitionTimestamps", {"machine-data": {"1234567": 5}}, {"machine-data": {"123456": 5}}, "the keys below a topic are partition numbers"),
    ("spec.source.partitionTimestamps", {"other": {"0": 5}}, {}, "source.partitionTimestamps names a topic that is not in source.topics"),
    ("spec.delivery.timeout", "99ms", "100ms", "delivery.timeout lies between 100ms and 1h"),
    ("spec.delivery.timeout", "1h1s", "1h", "delivery.timeout lies between 100ms and 1h"),
    ("spec.delivery.retry", {"initialDelay": "2s", "maxDelay": "1s"}, {"initialDelay": "1s", "maxDelay": "1s"}, "delivery.retry.maxDelay is shorter than initialDelay"),
    ("spec.response.topic", "machine-data", "results", "response.topic is also a source topic"),
    ("spec.delivery.deadLetter.topic", "machine-data", "dlq", "delivery.deadLetter.topic is also a source topic"),
    ("spec", {**TRIGGER["spec"], "response": {"topic": "x"}, "delivery": {"deadLetter": {"topic": "x"}}},
     {**TRIGGER["spec"], "response": {"topic": "x"}, "delivery": {"deadLetter": {"topic": "y"}}},
     "delivery.deadLetter.topic and response.topic are the same"),
    ("spec", {**TRIGGER["spec"], "podTemplate": {"terminationGracePeriodSeconds": 44}, "delivery": {"timeout": "30s"}},
     {**TRIGGER["spec"], "podTemplate": {"terminationGracePeriodSeconds": 45}, "delivery": {"timeout": "30s"}},
     "podTemplate.terminationGracePeriodSeconds is too short to drain"),
    ("spec.runtime.env", [{"name": "KAFKATRIGGER_X", "value": "1"}], [{"name": "KAFKA_X", "value": "1"}], "names that start with KAFKATRIGGER_ are the operator's"),
    ("spec.podTemplate.volumes", [{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}], [{"name": "v", "emptyDir": {}}], "a volume has exactly one of configMap, secret"),
    ("spec.podTemplate.volumes", [{"name": "v"}], [], "a volume has exactly one of configMap, secret"),
    ("spec.podTemplate.volumes", [{"name": "kafkatrigger-v", "emptyDir": {}}], [], "names that start with kafkatrigger- are the operator's"),
    ("spec.podTemplate", {"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
     {"volumeMounts": [{"name": "v", "mountPath": "/v"}], "volumes": [{"name": "v", "emptyDir": {}}]},
     "podTemplate.volumeMounts names a volume that podTemplate.volumes does not have"),
    ("spec.podTemplate", {"volumeMounts": [{"name": "v", "mountPath": "/run/kafkatrigger/x"}], "volumes": [{"name": "v", "emptyDir": {}}]},
     {}, "mountPath is an absolute path, and /run/kafkatrigger is the operator's"),
    ("spec.replay", {"nonce": "n"}, {"nonce": "n", "from": "earliest"}, "replay says nowhere to start"),
    ("spec.replay", {"nonce": "n", "partitions": {}}, {"nonce": "n", "partitions": {"machine-data": {"0": 5}}}, "replay says nowhere to start"),
    ("spec.replay", {"nonce": "n", "from": "2024-13-01T00:00:00Z"}, {"nonce": "n", "from": "2024-12-01T00:00:00.123Z"}, "write earliest, latest, epoch milliseconds"),
    ("spec.replay", {"nonce": "n", "from": -1}, {"nonce": "n", "from": 0}, "write earliest, latest, epoch milliseconds"),
    ("spec.replay", {"nonce": "n", "partitions": {"machine-data": {"01": 5}}}, {"nonce": "n", "partitions": {"machine-data": {"10": 0}}}, "the keys below a topic are partition numbers"),
    ("spec.replay", {"nonce": "n", "partitions": {"other": {"0": 5}}}, {"nonce": "n", "from": "latest", "partitions": {"machine-data": {"0": 5}}}, "replay.partitions names a topic that is no source"),
    *[
        ("spec.tracing.endpoint", wrong, "https://c.d:4318/tenants/a", "tracing.endpoint is the address of an OTLP receiver for HTTP")
        for wrong in ("collector:4318", "grpc://c:4317", "http://user:secret@c", "http://c?token=x", "http://c\n")
    ],
    ("spec.tracing.endpoint", "http://c/v1/traces", "http://[fd00::1]:4318/", "tracing.endpoint is the receiver's address without /v1/traces"),
]  # fmt: skip


def wired(**wiring: Any) -> Body:
    """A transformation with this wiring."""
    return {"ref": {"name": "rul-1-0-0"}, "wiring": wiring, "adapters": [{"name": "db", "type": "sql"}]}


def input_of(**how: Any) -> Body:
    return wired(inputs=[{"name": "a", **how}])


def output_to(**where: Any) -> Body:
    return wired(outputs=[{"name": "a", **where}])


REQUEST: Body = {"request": {"schema": "Execute"}}
FUNCTION: Body = TRIGGER["spec"]["transformation"]
ONE_WAY = "an input has exactly one of from, value, useDefault and adapter"
LOST_WORDS = "refId, refIdType, refKey, type and filters are for an adapter"
OUTPUT_IS_SOURCE = "an output's topic is also a source topic"

TRANSFORMATION_RULES = [
    *[
        ("spec.transformation", wrong, right, "transformation needs exactly one of function, ref and request")
        for wrong, right in (({}, FUNCTION), ({**FUNCTION, **REQUEST}, REQUEST), ({**REQUEST, "ref": {"name": "a"}}, {"ref": {"name": "a.b-c"}}))
    ],
    ("spec.transformation", {**FUNCTION, "wiring": {}}, wired(), "transformation.wiring is for transformation.ref"),
    ("spec.transformation", {**REQUEST, "wiring": {}}, REQUEST, "transformation.wiring is for transformation.ref"),
    ("spec.transformation", {**FUNCTION, "adapters": []}, {**REQUEST, "adapters": [{"name": "db", "type": "sql", "secret": {"name": "s"}, "options": {"a": [1]}}]},
     "transformation.adapters are for transformation.ref and transformation.request"),
    *[
        ("spec.transformation", {**REQUEST, "adapters": [{"name": name, "type": "sql"}]}, {**REQUEST, "adapters": []}, "kafka and direct_provisioning are always there")
        for name in ("kafka", "direct_provisioning")
    ],
    ("spec.transformation", input_of(**{"from": "value.a", "adapter": "db"}), input_of(**{"from": "value.a"}), ONE_WAY),
    ("spec.transformation", input_of(useDefault=True, adapter="db"), input_of(useDefault=True), ONE_WAY),
    ("spec.transformation", input_of(**{"from": "key", "useDefault": True}), input_of(value=None), ONE_WAY),
    ("spec.transformation", input_of(value=1, refId="a"), input_of(adapter="db", refId="a", refIdType="SOURCE", type="metadata(int)"), LOST_WORDS),
    ("spec.transformation", output_to(topic="a", adapter="db"), output_to(topic="a"), "an output goes to a topic or to an adapter"),
    ("spec.transformation", output_to(adapter="kafka"), output_to(adapter="db", filters={"a": "b"}), "an output goes to Kafka by its field topic"),
    ("spec.transformation", output_to(topic="a", refId="a"), output_to(), LOST_WORDS),
    ("spec.transformation", output_to(topic=".."), output_to(topic="..."), "Kafka allows no topic named . or .."),
    ("spec.transformation", output_to(topic="machine-data"), output_to(topic="other"), OUTPUT_IS_SOURCE),
    ("spec.transformation", {"request": {"schema": "Execute", "topics": ["machine-data"]}}, {"request": {"schema": "Execute", "topics": ["other"]}}, OUTPUT_IS_SOURCE),
    ("spec", {**TRIGGER["spec"], "transformation": REQUEST, "source": {"topics": ["a"], "filter": "true"}},
     {**TRIGGER["spec"], "transformation": REQUEST, "source": {"topics": ["a"]}}, "source.filter is not for requests"),
    ("spec", {**TRIGGER["spec"], "transformation": REQUEST, "source": {"topics": ["a"], "format": {"value": "Bytes"}}},
     {**TRIGGER["spec"], "transformation": REQUEST, "source": {"topics": ["a"], "format": {"value": "JSON", "key": "Bytes"}}}, "source.format.value is JSON where messages are requests"),
    ("spec.response", {"topic": "a", "maxBytes": "999"}, {"topic": "a", "maxBytes": "1k"}, "response.maxBytes lies between 1k and 1G"),
    ("spec.response", {"topic": "a", "maxBytes": "1Gi"}, {"topic": "a", "maxBytes": "1G"}, "response.maxBytes lies between 1k and 1G"),
]  # fmt: skip

GROUP = "source.groupId cannot change, nor be set or unset"
NONCE = "replay changed and replay.nonce did not"

# What the schema itself refuses, for the kinds of mistakes that people make.
SCHEMA = [
    ("spec.replicas", 3, "field not declared in schema"),
    ("spec.source.topics", [], "should have at least 1 items"),
    ("spec.source.topics", ["a", "a"], "duplicate"),
    ("spec.source.topics", ["no spaces"], "should match"),
    ("spec.kafka.bootstrapServers", ["kafka"], "should match"),
    ("spec.transformation.function", "module.function", "should match"),
    ("spec.transformation", input_of(), "must validate one and only one schema"),
    ("spec.transformation", input_of(**{"value": 1, "from": "key"}), "must validate one and only one schema"),
    ("spec.transformation", input_of(useDefault=False), "supported values"),
    ("spec.transformation", wired(inputs=[{"name": "a", "value": 1}] * 2), "duplicate"),
    ("spec.transformation", wired(outputs=[{"name": "a"}] * 2), "duplicate"),
    ("spec.transformation", {**REQUEST, "adapters": [{"name": "a", "type": "sql"}] * 2}, "duplicate"),
    ("spec.transformation", {"request": {}}, "Required value"),
    ("spec.transformation.ref", {"name": "A"}, "should match"),
    ("spec.transformation.ref", {"name": "a", "namespace": "b"}, "field not declared in schema"),
    ("spec.delivery.ordering", "None", "supported values"),
    ("spec.delivery.timeout", "30 seconds", "should match"),
    ("spec.delivery.maxBufferedBytes", "64MB", "should match"),
    ("spec.delivery.retry.attempts", 0, "greater than or equal to 1"),
    ("spec.delivery.guarantee", "AtMostOnce", "supported values"),
    ("spec.delivery.onFailure", "Ignore", "supported values"),
    ("spec.delivery.breaker.failureRatio", -0.1, "greater than or equal to 0"),
    ("spec.delivery.breaker.minimumKeys", 0, "greater than or equal to 1"),
    ("spec.source.filter", "x" * 4097, "may not be more than 4096"),
    ("spec.replay", {"nonce": "-", "from": "latest"}, "should match"),
    ("spec.replay", {"nonce": "n", "partitions": {"machine-data": {"0": -1}}}, "greater than or equal to 0"),
    ("spec.scaling.replicas", -1, "greater than or equal to 0"),
    ("spec.podTemplate.securityContext", {"runAsUser": 0}, "field not declared in schema"),
    ("spec.tracing.samplingRatio", 1.01, "less than or equal to 1"),
    ("spec.tracing.headers", {"authorization": "Bearer x"}, "field not declared in schema"),
    ("spec.podTemplate.hostNetwork", True, "field not declared in schema"),
]


def with_value(path: str, value: Any) -> Body:
    """The trigger with one field set."""
    trigger = copy.deepcopy(TRIGGER)
    *parents, last = path.split(".")
    at = trigger
    for name in parents:
        at = at.setdefault(name, {})
    at[last] = value
    return trigger


def apply(api: Api, trigger: Body, *, dry: bool = True) -> Body:
    path = f"{TRIGGERS.format(trigger['metadata']['namespace'])}/{trigger['metadata']['name']}"
    return api.apply(f"{path}?dryRun=All" if dry else path, trigger)


@pytest.mark.parametrize(("path", "wrong", "right", "sentence"), [*RULES, *TRANSFORMATION_RULES])
def test_rule(api: Api, path: str, wrong: Any, right: Any, sentence: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        apply(api, with_value(path, wrong))
    assert sentence in str(refusal.value)
    assert refusal.value.status == 422
    apply(api, with_value(path, right))


@pytest.mark.parametrize(("path", "wrong", "sentence"), SCHEMA)
def test_schema(api: Api, path: str, wrong: Any, sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        apply(api, with_value(path, wrong))


@pytest.mark.parametrize(("before", "after"), [("a", "b"), ("a", None), (None, "a")])
def test_group_id_is_immutable(api: Api, namespace: str, before: str | None, after: str | None) -> None:
    def trigger(group: str | None) -> Body:
        body = with_value("metadata.namespace", namespace)
        body["spec"]["source"] |= {"groupId": group} if group else {}
        return body

    apply(api, trigger(before), dry=False)
    apply(api, trigger(before), dry=False)
    with pytest.raises(RefusedError, match=GROUP):
        apply(api, trigger(after), dry=False)


@pytest.mark.parametrize("constant", [1, 1.5, "a", True, None, [1, {"a": None}], {"a": {"b": []}}, {}])
def test_constants_are_kept_as_they_are(api: Api, namespace: str, constant: Any) -> None:
    trigger = with_value("spec.transformation", input_of(value=constant))
    trigger["metadata"]["namespace"] = namespace
    stored = apply(api, trigger, dry=False)
    assert stored["spec"]["transformation"]["wiring"]["inputs"] == [{"name": "a", "value": constant}]


@pytest.mark.parametrize("after", [{"from": "latest"}, {"from": "earliest", "partitions": {"machine-data": {"0": 1}}}])
def test_a_changed_replay_needs_another_nonce(api: Api, namespace: str, after: Body) -> None:
    def trigger(**replay: Any) -> Body:
        body = with_value("metadata.namespace", namespace)
        body["spec"]["replay"] = replay
        return body

    apply(api, trigger(nonce="a", **{"from": "earliest"}), dry=False)
    apply(api, trigger(nonce="a", **{"from": "earliest"}), dry=False)
    with pytest.raises(RefusedError, match=NONCE):
        apply(api, trigger(nonce="a", **after), dry=False)
    apply(api, trigger(nonce="b", **after), dry=False)


def test_every_rule_has_a_case() -> None:
    sentences = [case[3] for case in [*RULES, *TRANSFORMATION_RULES]] + [GROUP, NONCE]
    for message in _messages(definition()):
        assert any(message.startswith(sentence) or sentence in message for sentence in sentences), message


def _messages(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _messages(item)
    elif isinstance(node, dict):
        for rule in node.get("x-kubernetes-validations", []):
            yield rule["message"]
        for value in node.values():
            yield from _messages(value)
