"""Traces: from the producer's span to the attempt's, from there to the response; and delivery does not depend on any of it."""

import time
from itertools import pairwise
from typing import Any

import orjson
import pytest
from confluent_kafka import Message

from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, numbered, numbers, spec, wait_committed
from tests.support.collector import Collector
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until

TRACE = "0af7651916cd43dd8448eb211c80319c"
PRODUCER = "b7ad6b7169203331"
SAMPLED = ("traceparent", f"00-{TRACE}-{PRODUCER}-01".encode())
UNSAMPLED = ("traceparent", f"00-{TRACE}-{PRODUCER}-00".encode())
STATE = ("tracestate", b"vendor=1")


def traced(broker: HostBroker, source: str, endpoint: str, ratio: float = 0.0, **more: Any) -> dict[str, Any]:
    """A trigger whose spans go to the endpoint."""
    return spec(broker, source, tracing={"endpoint": endpoint, "samplingRatio": ratio}, **more)


def context_of(answer: Message) -> list[bytes]:
    """What a response says of its trace."""
    return [content for name, content in answer.headers() or [] if name == "traceparent"]


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_a_trace_goes_from_the_producer_through_the_attempt_to_the_response(
    broker: HostBroker, topics: Topics, guarantee: str
) -> None:
    source = topics.create(1)
    topics.produce(source, [(b"secret-key", action("context"))], headers=[("own", b"1"), STATE, SAMPLED])
    with (
        Collector() as collector,
        Pod(traced(broker, source, collector.endpoint, delivery={"guarantee": guarantee}), name="rul") as pod,
    ):
        (answer,) = topics.read(f"{source}.out", 1)
        (span,) = collector.wait(1)
        pod.stop()
    assert (span.name, span.kind, span.status) == (f"process {source}", "SPAN_KIND_CONSUMER", "STATUS_CODE_UNSET")
    assert (span.trace_id, span.parent, span.state) == (TRACE, PRODUCER, "vendor=1")
    assert span.links == [(TRACE, PRODUCER)]
    assert answer.headers() == [("traceparent", span.header), STATE]
    assert orjson.loads(answer.value())["traceparent"] == span.header.decode(), "what the function does is a part of it"
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": source,
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
        "messaging.consumer.group.name": pod.config.group_id,
        "kafkatrigger.attempt": 1,
        "kafkatrigger.result": "succeeded",
    }
    assert (span.resource["service.name"], span.resource["service.namespace"]) == ("rul", "tests")
    assert span.scope == "kafkatrigger https://opentelemetry.io/schemas/1.44.0"
    assert collector.paths == {"/v1/traces"}


def test_every_attempt_is_a_span_and_the_last_is_the_parent_of_the_response(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.produce(source, [(b"k", action("fail-until", attempt=3))], headers=[SAMPLED])
    with Collector() as collector, Pod(traced(broker, source, collector.endpoint)) as pod:
        (answer,) = topics.read(f"{source}.out", 1)
        spans = collector.wait(3)
        pod.stop()
    assert [span.place for span in spans] == [(0, 1), (0, 2), (0, 3)]
    assert {(span.trace_id, span.parent) for span in spans} == {(TRACE, PRODUCER)}
    assert len({span.id for span in spans}) == 3
    assert [span.status for span in spans] == ["STATUS_CODE_ERROR"] * 2 + ["STATUS_CODE_UNSET"]
    assert [span.attributes["kafkatrigger.result"] for span in spans] == ["FunctionFailed"] * 2 + ["succeeded"]
    assert spans[0].attributes["error.type"] == "kafkatrigger.runtime.function.Retriable"
    assert spans[0].message.startswith("attempt 1 is too early")
    assert context_of(answer) == [spans[2].header]


def test_a_dead_letter_keeps_its_context_and_names_the_attempt_that_failed(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.produce(source, [(b"k", action("raise"))], headers=[SAMPLED, STATE])
    topics.produce(source, [(b"k", action("raise"))], headers=[UNSAMPLED])
    with Collector() as collector, Pod(traced(broker, source, collector.endpoint)) as pod:
        traced_one, other = topics.read(f"{source}.dlq", 2)
        spans = collector.wait(3)
        pod.stop()
    assert traced_one.headers()[:2] == [SAMPLED, STATE]
    assert dict(traced_one.headers())["kafkatrigger.traceparent"] == spans[-1].header
    assert other.headers()[0] == UNSAMPLED
    assert "kafkatrigger.traceparent" not in dict(other.headers())
    assert {span.status for span in spans} == {"STATUS_CODE_ERROR"}


@pytest.mark.parametrize("headers", [UNSAMPLED, ("traceparent", b"00-no-context-01"), ("traceparent", None)])
def test_what_is_not_to_be_recorded_is_passed_on_as_it_is(
    broker: HostBroker, topics: Topics, headers: tuple[str, bytes | None]
) -> None:
    source = topics.create(1)
    topics.produce(source, numbered(20), headers=[headers, STATE])
    with Collector() as collector, Pod(traced(broker, source, collector.endpoint, ratio=1.0)) as pod:
        answers = topics.read(f"{source}.out", 20)
        pod.stop()
        assert collector.spans == []
    assert all(answer.headers() == [headers, STATE] for answer in answers)


def test_a_share_of_the_messages_without_a_context_begins_a_trace(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(2)
    topics.produce(source, numbered(4000))
    with Collector() as collector, Pod(traced(broker, source, collector.endpoint, ratio=0.01)) as pod:
        answers = topics.read(f"{source}.out", 4000)
        wait_committed(topics, pod, source)
        pod.stop()
        spans = collector.spans
    assert sorted(numbers(answers)) == list(range(4000))
    headers = [header for answer in answers for header in context_of(answer)]
    assert sorted(headers) == sorted(span.header for span in spans)
    assert 39 <= len(spans) <= 42, "one of each hundred, of each partition"
    assert {(span.parent, tuple(span.links)) for span in spans} == {("", ())}
    assert len({span.trace_id for span in spans}) == len(spans)


def test_attempts_of_a_trace_that_begins_here_are_below_the_first(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.produce(source, [(b"k", action("fail-until", attempt=3))])
    with Collector() as collector, Pod(traced(broker, source, collector.endpoint, ratio=1.0)) as pod:
        (answer,) = topics.read(f"{source}.out", 1)
        first, *more = collector.wait(3)
        pod.stop()
    assert [span.parent for span in (first, *more)] == ["", first.id, first.id]
    assert {span.trace_id for span in more} == {first.trace_id}
    assert context_of(answer) == [more[-1].header]


@pytest.mark.parametrize("function", ["functions:tell", "functions:tell_async", "functions:tell_batch"])
def test_a_span_takes_as_long_as_its_message(broker: HostBroker, topics: Topics, function: str) -> None:
    """And not as long as those before it in the same batch."""
    source = topics.create(1)
    topics.produce(source, [(b"k", action("sleep", seconds=0.2))] * 5, headers=[SAMPLED])
    began = time.time()
    with (
        Collector() as collector,
        Pod(traced(broker, source, collector.endpoint, function=function, runtime={"workers": 1})) as pod,
    ):
        spans = collector.wait(5)
        pod.stop()
    assert all(0.19 < span.seconds < 0.4 for span in spans), [span.seconds for span in spans]
    assert all(before.ended <= after.began for before, after in pairwise(spans))
    assert began < spans[0].began / 1e9 < time.time()


def test_an_attempt_that_ends_its_worker_is_a_span(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.produce(source, [(b"k", action("exit"))], headers=[SAMPLED])
    delivery = {"retry": {"attempts": 1}}
    with Collector() as collector, Pod(traced(broker, source, collector.endpoint, delivery=delivery)) as pod:
        (letter,) = topics.read(f"{source}.dlq", 1)
        (span,) = collector.wait(1)
        pod.stop()
    assert (span.status, span.attributes["error.type"]) == ("STATUS_CODE_ERROR", "WorkerCrashed")
    assert dict(letter.headers())["kafkatrigger.traceparent"] == span.header


def test_filtered_messages_and_several_responses(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.produce(source, [(b"k", action("filter")), (b"k", action("several", count=3))], headers=[SAMPLED])
    response = {"headers": "Source"}
    with Collector() as collector, Pod(traced(broker, source, collector.endpoint, response=response)) as pod:
        answers = topics.read(f"{source}.out", 3)
        filtered, several = collector.wait(2)
        pod.stop()
    assert filtered.attributes["kafkatrigger.result"] == "filtered"
    assert [context_of(answer) for answer in answers] == [[several.header]] * 3


def test_what_is_written_again_after_a_kill_has_the_same_parent(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(2)
    topics.produce(source, numbered(3000))
    with Collector() as collector, Pod(traced(broker, source, collector.endpoint, ratio=0.2)) as pod:
        until(lambda: topics.count(f"{source}.out") > 200, 60, "responses")
        pod.kill_consumer()
        pod.start_consumer()
        wait_committed(topics, pod, source)
        answers = topics.read_all(f"{source}.out")
        pod.stop()
    contexts: dict[int, set[tuple[bytes, ...]]] = {}
    for number, answer in zip(numbers(answers), answers, strict=True):
        contexts.setdefault(number, set()).add(tuple(context_of(answer)))
    assert sorted(contexts) == list(range(3000))
    assert all(len(found) == 1 for found in contexts.values())
    assert sum(found != {()} for found in contexts.values()) == pytest.approx(600, abs=4)


def _hang() -> int:
    time.sleep(600)
    return 200


@pytest.mark.parametrize("how", ["nobody listens", "it hangs", "it refuses"])
def test_a_collector_that_takes_nothing_changes_nothing_for_messages(
    broker: HostBroker, topics: Topics, how: str
) -> None:
    source = topics.create(2)
    topics.produce(source, numbered(5000))
    with Collector() as collector:
        collector.respond = _hang if how == "it hangs" else lambda: 400
        endpoint = "http://127.0.0.1:9" if how == "nobody listens" else collector.endpoint
        with Pod(traced(broker, source, endpoint, ratio=1.0)) as pod:
            wait_committed(topics, pod, source)
            assert sorted(numbers(topics.read_all(f"{source}.out"))) == list(range(5000))
            pod.wait(lambda now: now.spans_dropped > 0, 60, "spans that are dropped")
            assert "kafkatrigger_spans_dropped_total{" in pod.get("/metrics")[1]
            pod.wait_ready()
            topics.produce(source, numbered(100, start=5000))
            wait_committed(topics, pod, source)
            pod.stop()
            assert pod.logs.count("spans are dropped") == 1
        assert collector.spans == []


def test_the_end_of_the_process_that_exports_changes_nothing_for_messages(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    with Collector() as collector, Pod(traced(broker, source, collector.endpoint, ratio=1.0)) as pod:
        topics.produce(source, numbered(10))
        collector.wait(10)
        pod.kill_exporter()
        topics.produce(source, numbered(10, start=10))
        wait_committed(topics, pod, source)
        pod.wait(lambda now: now.spans_dropped == 10, 60, "spans that are dropped")
        time.sleep(10)  # it is not started again more often than that
        topics.produce(source, numbered(10, start=20))
        spans = collector.wait(20, 60)
        pod.stop()
    assert [span.place[0] for span in spans] == [*range(10), *range(20, 30)]
