"""What a trigger says of transformations: what its pods are told of it, and what is refused."""

from typing import Any

import msgspec
import pytest

from kafkatrigger.api.adapters import AdapterSettings
from kafkatrigger.api.consumer_config import ConsumerConfig, TopicSettings
from kafkatrigger.api.transforming import Transforming, WiredInput, WiredOutput
from kafkatrigger.api.validation import Refused, accept
from tests.unit.controller.helpers import SPEC, accepted, settings

Body = dict[str, Any]

REF: Body = {"ref": {"name": "rul-1-0-0"}}
REQUEST: Body = {"request": {"schema": "Execute"}}
ADAPTERS: Body = {"adapters": [{"name": "plant-db", "type": "sql", "secret": {"name": "s"}, "options": {"pool": 3}}]}

WIRING: Body = {
    "inputs": [
        {"name": "series", "from": "value.series"},
        {"name": "limit", "value": 1.3},
        {"name": "nothing", "value": None},
        {"name": "days", "useDefault": True},
        {"name": "history", "adapter": "plant-db", "refId": "r", "refIdType": "SOURCE", "refKey": "k",
         "type": "timeseries(float)", "filters": {"from": "2026-01-01T00:00:00Z"}},
        {"name": "x", "adapter": "kafka", "filters": {"message_value_key": "x"}},
    ],
    "outputs": [
        {"name": "slope"},
        {"name": "forecast", "topic": "rul-forecasts"},
        {"name": "trend", "topic": "rul-forecasts"},
        {"name": "stored", "adapter": "plant-db", "refId": "t"},
    ],
}  # fmt: skip


def config(transformation: Body, **spec: Any) -> ConsumerConfig:
    found = accepted({"transformation": transformation, **spec}).config
    assert msgspec.json.decode(msgspec.json.encode(found), type=ConsumerConfig) == found
    return found


def test_a_transformation_for_every_message() -> None:
    found = config({"ref": {"name": "rul-1-0-0", "versionTag": "1.0.0"}, "wiring": WIRING, **ADAPTERS})
    assert found.function == ""
    assert found.transforming == Transforming(
        mode="Stream",
        ref="rul-1-0-0",
        version_tag="1.0.0",
        inputs=(
            WiredInput(name="series", expression="value.series"),
            WiredInput(name="limit", value=1.3),
            WiredInput(name="nothing", value=None),
            WiredInput(name="days", use_default=True),
            WiredInput(
                name="history", adapter="plant-db", ref_id="r", ref_id_type="SOURCE", ref_key="k", type="timeseries(float)",
                filters={"from": "2026-01-01T00:00:00Z"},
            ),
            WiredInput(name="x", adapter="kafka", filters={"message_value_key": "x"}),
        ),
        outputs=(
            WiredOutput(name="slope"),
            WiredOutput(name="forecast", topic="rul-forecasts"),
            WiredOutput(name="trend", topic="rul-forecasts"),
            WiredOutput(name="stored", adapter="plant-db", ref_id="t"),
        ),
        topics=("rul-forecasts",),
        adapters=(AdapterSettings("plant-db", "sql", {"pool": 3}),),
    )  # fmt: skip
    assert found.output_topics == [TopicSettings("rul-forecasts", True, 10 * 2**20)]


@pytest.mark.parametrize(
    ("selector", "labels"),
    [
        ({}, {"kafkatrigger.dev/requestable": "true"}),
        ({"selector": {"matchLabels": {"team": "a"}}}, {"team": "a"}),
        ({"selector": {}}, {}),
    ],
)
def test_requests(selector: Body, labels: dict[str, str]) -> None:
    request = {"schema": "WorkflowExecution06", "topics": ["out"], **selector}
    response = {"topic": "results", "create": False, "maxBytes": "2M"}
    found = config({"request": request}, response=response)
    assert found.transforming == Transforming(mode="WorkflowExecution06", selector=labels, topics=("out",))
    assert found.work.value_format == "Bytes"
    assert found.output_topics == [TopicSettings("out", False, 2_000_000)]
    assert found.response == TopicSettings("results", False, 2_000_000)
    assert found.dead_letter.max_bytes == 2_000_000


def test_a_function_needs_none_of_it() -> None:
    found = config(SPEC["transformation"])
    assert (found.transforming, found.output_topics) == (None, [])


def test_adapters_may_come_from_the_defaults() -> None:
    given = settings(defaults={"transformation": ADAPTERS})
    wiring = {"inputs": [{"name": "a", "adapter": "plant-db"}]}
    found = accepted({"transformation": {**REF, "wiring": wiring}}, given).config.transforming
    assert found is not None
    assert [each.name for each in found.adapters] == ["plant-db"]


def with_input(**how: Any) -> Body:
    return {**REF, "wiring": {"inputs": [{"name": "a", **how}]}}


def with_output(**where: Any) -> Body:
    return {**REF, "wiring": {"outputs": [{"name": "a", **where}]}}


EXACTLY_ONE = "an input has exactly one of from, value, useDefault and adapter: remove the others"
LOST_WORDS = "refId, refIdType, refKey, type and filters are for an adapter: name it, or remove them"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"transformation": {}}, "transformation needs exactly one of function, ref and request"),
        ({"transformation": {**REF, **REQUEST}}, "transformation needs exactly one of function, ref and request"),
        ({"transformation": {**SPEC["transformation"], **ADAPTERS}}, "transformation.adapters are for"),
        ({"transformation": {**SPEC["transformation"], "wiring": {}}}, "transformation.wiring is for transformation.ref"),
        ({"transformation": {**REQUEST, "wiring": {}}, "response": {"topic": "r"}}, "transformation.wiring is for"),
        ({"transformation": with_input()}, EXACTLY_ONE),
        ({"transformation": with_input(value=None, useDefault=True)}, EXACTLY_ONE),
        ({"transformation": with_input(**{"from": "key"}, adapter="kafka")}, EXACTLY_ONE),
        ({"transformation": with_input(**{"from": "value."})}, "from: 'value.' is no JMESPath: "),
        ({"transformation": with_input(value=1, refKey="a")}, LOST_WORDS),
        ({"transformation": with_output(filters={"a": "b"})}, LOST_WORDS),
        ({"transformation": with_output(topic="a", adapter="b")}, "an output goes to a topic or to an adapter"),
        ({"transformation": with_output(adapter="kafka")}, "an output goes to Kafka by its field topic"),
        ({"transformation": with_output(topic="machine-data")}, "an output's topic is also a source topic"),
        ({"transformation": with_output(adapter="x")}, "transformation.wiring names adapters that are not there: x."),
        ({"transformation": with_output(topic="plant-7.rul.redrive")}, "spec.transformation: plant-7.rul.redrive is the topic"),
        ({"transformation": with_output(topic="plant-7.rul.dlq")}, "plant-7.rul.dlq is also a topic of outputs: set another"),
        ({"transformation": with_output(topic="out"), "source": {"topicPattern": "o.*"}}, "the trigger's own output topic out"),
        ({"transformation": {**REF, "wiring": {"inputs": [{"name": "a", "value": 1}] * 2}}}, "wiring.inputs has a more than once"),
        ({"transformation": {**REF, "wiring": {"outputs": [{"name": "a"}] * 2}}}, "wiring.outputs has a more than once"),
        ({"transformation": {**REF, "adapters": ADAPTERS["adapters"] * 2}}, "adapters has plant-db more than once"),
        ({"transformation": {**REF, "adapters": [{"name": "kafka", "type": "a"}]}}, "kafka and direct_provisioning are always"),
        ({"transformation": REQUEST}, "response is missing: every request is answered"),
        ({"transformation": REQUEST, "response": {"topic": "r"}, "source": {"topics": ["t"], "filter": "true"}}, "source.filter is not for"),
        (
            {"transformation": REQUEST, "response": {"topic": "r"}, "source": {"topics": ["t"], "format": {"value": "String"}}},
            "source.format.value is JSON where messages are requests",
        ),
        ({"response": {"topic": "r", "maxBytes": "999"}}, "response.maxBytes lies between 1k and 1G"),
    ],
)  # fmt: skip
def test_refusals(spec: Body, sentence: str) -> None:
    result = accept("plant-7", "rul", {**SPEC, **spec}, {})
    assert isinstance(result, Refused)
    assert sentence in result.message
