"""The example, from `kubectl apply` to the responses, against another calculation."""

import time
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import yaml
from confluent_kafka import Message

from examples.rul import produce
from tests.cluster.settings import REPOSITORY
from tests.support.traffic import read_until
from tests.support.triggers import Namespace, Trigger

MANIFEST = REPOSITORY / "examples" / "rul" / "trigger.yaml"
SECONDS_A_DAY = 86_400


def test_every_window_gets_the_line_of_least_squares(namespace: Namespace) -> None:
    trigger = _example(namespace)
    requests = {window.request["id"]: window for window in produce.windows()}
    namespace.topic("machine-data", partitions=4)
    applied = time.time()
    trigger.apply()
    assert produce.produce(namespace.bootstrap, trigger.source, len(requests)).acknowledged == len(requests)
    namespace.kubectl("wait", "--for=condition=Ready", trigger.resource, "--timeout=60s")
    messages = read_until(namespace.bootstrap, trigger.responses, lambda found: len(found) >= len(requests))
    first = min(message.timestamp()[1] for message in messages) / 1000 - applied
    print(f"{first:.1f} s from apply to first response")
    assert first < 60
    assert {orjson.loads(message.value())["id"] for message in messages} == requests.keys()
    for message in messages:
        _check(message, requests[orjson.loads(message.value())["id"]])
    assert any(orjson.loads(message.value())["limit_violation"] == "expected" for message in messages)
    _check_columns(namespace, trigger)


def _example(namespace: Namespace) -> Trigger:
    """The example's trigger as it is, but for the names of its topics."""
    spec: dict[str, Any] = yaml.safe_load(MANIFEST.read_text())["spec"]
    trigger = namespace.unapplied()
    spec["source"]["topics"] = [f"{namespace.name}.machine-data"]
    spec["response"]["topic"] = trigger.responses
    spec["delivery"]["deadLetter"]["topic"] = trigger.dead_letters
    return Trigger(namespace, "rul", spec)


def _check(message: Message, window: produce.Window) -> None:
    answer, request = orjson.loads(message.value()), window.request
    points = {datetime.fromisoformat(week): ppm for week, ppm in request["series"].items() if ppm is not None}
    first, last = min(points), max(points)
    days = np.array([(week - first).total_seconds() / SECONDS_A_DAY for week in points])
    slope, intercept = np.polyfit(days, np.array(list(points.values())), 1)
    np.testing.assert_allclose([answer["slope"], answer["intercept"]], [slope, intercept], rtol=1e-9)
    assert message.key() == window.key.encode()
    assert dict(message.headers())[produce.REAL_CROSSING] == f"{window.crossing:%Y-%m-%d}".encode()
    _check_crossing(answer, (request["limit"] - intercept) / slope, first, last, request["num_days_forecast"])


def _check_crossing(answer: dict[str, Any], day: float, first: datetime, last: datetime, horizon: float) -> None:
    last_day = (last - first).total_seconds() / SECONDS_A_DAY
    if not last_day < day <= last_day + horizon:
        assert answer["limit_violation_timestamp"] is None
        return
    found = datetime.fromisoformat(answer["limit_violation_timestamp"])
    assert abs((found - first).total_seconds() - day * SECONDS_A_DAY) < 1
    assert answer["limit_violation"] == "expected"


def _check_columns(namespace: Namespace, trigger: Trigger) -> None:
    head, row = namespace.kubectl("get", "kt").splitlines()
    assert head.split() == ["NAME", "READY", "REASON", "TOPICS", "LAG", "REPLICAS", "AGE"]
    shown = {name: row[head.index(name) :].split(" ", 1)[0] for name in head.split()}
    expected = {"NAME": "rul", "READY": "True", "REASON": "Consuming", "TOPICS": trigger.source, "REPLICAS": "1"}
    assert {name: shown[name] for name in expected} == expected
