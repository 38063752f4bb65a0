"""The chart's defaults under a spec, and what is said of a spec that cannot run."""

from typing import Any

import pytest

from kafkatrigger.api.consumer_config import BreakerPolicy, TracingPolicy
from kafkatrigger.api.validation import Refused, accept, merged
from tests.unit.controller.helpers import SPEC, accepted, settings

WRONG_ENDPOINTS = (
    *(
        "collector:4318",
        "grpc://collector:4317",
        "http://",
        "http://user:secret@collector",
        "http://c?token=x",
        "http://c#x",
    ),
    *("http://a b", "http://c:port", "http://c\n", "", "HTTP://c"),
)


def test_maps_are_merged_and_lists_replaced() -> None:
    defaults = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert merged(defaults, {"a": {"c": [3], "e": {"f": 1}}}) == {"a": {"b": 1, "c": [3], "e": {"f": 1}}, "d": 4}
    assert defaults == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


def test_a_trigger_wins_over_the_defaults() -> None:
    given = settings(
        defaults={
            "kafka": {"bootstrapServers": ["default:9092"]},
            "delivery": {"timeout": "1m", "ordering": "Partition"},
        }
    )
    spec = accepted({"delivery": {"timeout": "2m"}}, given).spec
    assert spec.kafka.bootstrap_servers == ["kafka:9092"]
    assert (spec.delivery.timeout, spec.delivery.ordering) == ("2m", "Partition")


def test_servers_may_come_from_the_defaults_alone() -> None:
    given = settings(defaults={"kafka": {"bootstrapServers": ["default:9092"]}})
    assert accepted({"kafka": {}}, given).config.bootstrap_servers == ["default:9092"]


def test_group_prefix() -> None:
    assert accepted({}, settings(groupIdPrefix="acme.")).config.group_id == "acme.plant-7.rul"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (None, "spec: missing"),
        ([1], "spec: missing"),
        ({**SPEC, "kafka": {}}, "kafka.bootstrapServers is missing: name at least one broker as host:port"),
        ({**SPEC, "kafka": {"bootstrapServers": ["x"]}}, "spec.kafka.bootstrapServers.0: String should match pattern"),
        ({**SPEC, "colour": "red"}, "spec.colour: unknown field"),
        (
            {key: value for key, value in SPEC.items() if key != "source"},
            "spec.source: missing, here and in the chart's defaults",
        ),
        ({**SPEC, "delivery": {"timeout": "2h"}}, "spec.delivery.timeout: delivery.timeout lies between 100ms and 1h"),
        (
            {**SPEC, "source": {"topics": ["t"], "initialOffsetResetPolicy": [1]}},
            "spec.source.initialOffsetResetPolicy: ",
        ),
        (
            {**SPEC, "podTemplate": {"terminationGracePeriodSeconds": 20}},
            "terminationGracePeriodSeconds is too short to drain",
        ),
        (
            {**SPEC, "source": {"topics": ["plant-7.rul.dlq"]}},
            "spec.delivery.deadLetter.topic: its default plant-7.rul.dlq is also a source",
        ),
        ({**SPEC, "response": {"topic": "plant-7.rul.dlq"}}, "its default plant-7.rul.dlq is also the response topic"),
        (
            {**SPEC, "source": {"topics": ["t"], "groupId": "a group"}},
            "its default 'a group.dlq' is no name for a topic: set it",
        ),
        (
            {**SPEC, "source": {"topics": ["t", "plant-7.rul.redrive"]}},
            "spec.source.topics: plant-7.rul.redrive is the topic of this trigger's messages that are to run again",
        ),
        (
            {**SPEC, "response": {"topic": "plant-7.rul.redrive"}},
            "spec.response.topic: plant-7.rul.redrive is the topic",
        ),
        (
            {**SPEC, "delivery": {"deadLetter": {"topic": "plant-7.rul.redrive"}}},
            "spec.delivery.deadLetter.topic: plant-7.rul.redrive is the topic",
        ),
        (
            {**SPEC, "source": {"topics": ["t", "g.redrive"], "groupId": "g"}},
            "source.topics has the trigger's own redrive topic",
        ),
        (
            {**SPEC, "source": {"topics": ["t"], "groupId": "g"}, "response": {"topic": "g.redrive"}},
            "neither responses nor dead letters may go there",
        ),
        ({**SPEC, "source": {}}, "source needs exactly one of topics and topicPattern"),
        (
            {**SPEC, "source": {"topics": ["t"], "topicPattern": "t"}},
            "source needs exactly one of topics and topicPattern",
        ),
        ({**SPEC, "source": {"topicPattern": "t("}}, "source.topicPattern is no pattern for names of topics"),
        (
            {**SPEC, "source": {"topicPattern": ".*"}},
            "spec.source.topicPattern: it matches the trigger's own dead-letter topic plant-7.rul.dlq",
        ),
        (
            {**SPEC, "source": {"topicPattern": ".*s"}, "response": {"topic": "results"}},
            "spec.source.topicPattern: it matches the trigger's own response topic results",
        ),
        (
            {**SPEC, "source": {"topicPattern": ".*dlq"}},
            "spec.source.topicPattern: it matches the trigger's own dead-letter topic plant-7.rul.dlq",
        ),
        (
            {**SPEC, "source": {"topicPattern": "plant.*[^q]"}},
            "spec.source.topicPattern: it matches the trigger's own redrive topic plant-7.rul.redrive",
        ),
        ({**SPEC, "source": {"topics": ["t"], "filter": "  "}}, "source.filter is blank: write an expression"),
        ({**SPEC, "source": {"topics": [".."]}}, "spec.source.topics.0: Kafka allows no topic named . or .."),
        ({**SPEC, "response": {"topic": "."}}, "spec.response.topic: Kafka allows no topic named . or .."),
        ({**SPEC, "delivery": {"deadLetter": {"topic": ".."}}}, "Kafka allows no topic named . or .."),
        ({**SPEC, "delivery": {"breaker": {"window": "999ms"}}}, "delivery.breaker.window lies between 1s and 1h"),
        ({**SPEC, "delivery": {"breaker": {"window": "61m"}}}, "delivery.breaker.window lies between 1s and 1h"),
        ({**SPEC, "delivery": {"breaker": {"failureRatio": 1}}}, "delivery.breaker.failureRatio is less than 1"),
        (
            {**SPEC, "tracing": {}},
            "tracing.endpoint is missing: name the OTLP receiver, here or in the chart's defaults",
        ),
        ({**SPEC, "tracing": {"samplingRatio": 0.5}}, "tracing.endpoint is missing"),
        (
            {**SPEC, "tracing": {"samplingRatio": 1.5}},
            "spec.tracing.samplingRatio: Input should be less than or equal to 1",
        ),
        *[
            (
                {**SPEC, "tracing": {"endpoint": wrong}},
                "spec.tracing.endpoint: tracing.endpoint is the address of an OTLP",
            )
            for wrong in WRONG_ENDPOINTS
        ],
        (
            {**SPEC, "tracing": {"endpoint": "http://collector:4318/v1/traces/"}},
            "tracing.endpoint is the receiver's address without /v1/traces, which is appended: remove that",
        ),
    ],
)
def test_refusals(spec: Any, sentence: str) -> None:
    result = accept("plant-7", "rul", spec, {})
    assert isinstance(result, Refused)
    assert sentence in result.message


def test_each_problem_is_said_once() -> None:
    result = accept("plant-7", "rul", {**SPEC, "colour": 1, "source": {"topics": []}}, {})
    assert isinstance(result, Refused)
    assert len(result.message.split("; ")) == 2


@pytest.mark.parametrize(
    ("group", "topic"),
    [("plant-7.rul", "plant-7.rul.redrive"), ("a group/ü", "a_group__.redrive"), ("g" * 255, "g" * 241 + ".redrive")],
)
def test_every_group_has_a_redrive_topic(group: str, topic: str) -> None:
    found = accepted({"source": {"topics": ["t"], "groupId": group}, "delivery": {"deadLetter": {"topic": "dlq"}}})
    assert found.config.redrive_topic == topic


def test_a_breaker_can_be_switched_off() -> None:
    assert accepted({}).config.breaker == BreakerPolicy(30.0, 100, 10, 0.5)
    assert accepted({"delivery": {"breaker": {"enabled": False}}}).config.breaker is None


@pytest.mark.parametrize(
    "endpoint", ["http://c", "https://c.d-e_f:4318", "http://10.0.0.1:4318/", "http://[fd00::1]:4318/tenants/a%20b/"]
)
def test_where_spans_go(endpoint: str) -> None:
    assert accepted({"tracing": {"endpoint": endpoint}}).config.tracing == TracingPolicy(endpoint.rstrip("/"), 0.01)


def test_tracing_is_off_unless_somebody_says_where_to() -> None:
    given = settings(defaults={"tracing": {"endpoint": "http://c:4318", "samplingRatio": 0.2}})
    assert accepted({}).config.tracing is None
    assert accepted({}, given).config.tracing == TracingPolicy("http://c:4318", 0.2)
    assert accepted({"tracing": {"samplingRatio": 0}}, given).config.tracing == TracingPolicy("http://c:4318", 0.0)
    assert accepted({"tracing": {"enabled": False}}, given).config.tracing is None
