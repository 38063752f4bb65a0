"""The process that exports spans: reads them from the engine, sends them to a collector.

    python -m kafkatrigger.consumer.span_exporter DESCRIPTOR EXPORTER

The engine starts it, and it ends with the engine. While a collector does not answer it does not read either: so what waits
is bounded by the buffer of the socket.

Names and attributes are those of OpenTelemetry's semantic conventions for messaging,
https://opentelemetry.io/docs/specs/semconv/messaging/kafka/. A key may be personal data: it is none of the attributes.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from importlib import metadata

import msgspec
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from kafkatrigger.api import logs
from kafkatrigger.consumer.spans import PACKET, Exporter, Report, Span

CONVENTIONS = "https://opentelemetry.io/schemas/1.44.0"
MOST = 512
"""Spans in one request."""
LINGER = 1.0
"""Seconds that a span waits for others to go with."""
TIMEOUT = 10.0
"""Seconds of one request, with all that is tried again of it."""
NICENESS = 10
"""The engine and the function come first."""
LONGEST_REASON = 300

_spans = msgspec.msgpack.Decoder(list[Span])
_encode = msgspec.msgpack.Encoder().encode


def main(descriptor: str, argument: str) -> None:
    """The life of the process."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the engine, whose last spans are still to come
        signal.signal(number, signal.SIG_IGN)
    exporter = msgspec.json.decode(argument, type=Exporter)
    logs.configure()
    logs.speak_of(exporter.trigger)
    os.nice(NICENESS)
    with socket.socket(fileno=int(descriptor)) as channel:
        serve(channel, Spans(exporter), OTLPSpanExporter(f"{exporter.endpoint}/v1/traces", timeout=TIMEOUT))


def serve(channel: socket.socket, spans: "Spans", exporter: SpanExporter) -> None:
    """Exports what comes until the engine ends, and tells it what became of that."""
    words = _LastWords()
    done = dropped = 0
    for batch in batches(channel):
        words.first = ""
        result = exporter.export([spans.readable(span) for span in batch])
        done += len(batch)
        if result is not SpanExportResult.SUCCESS:
            dropped += len(batch)
        report = Report(done, dropped, f"the collector did not take them: {words.first}"[:LONGEST_REASON])
        with contextlib.suppress(OSError):  # the next one says it as well
            channel.send(_encode(report), socket.MSG_DONTWAIT)


def batches(channel: socket.socket) -> Iterator[list[Span]]:
    """Spans as they come, many at a time."""
    is_open = True
    while is_open:
        batch: list[Span] = []
        deadline = None
        while len(batch) < MOST:
            channel.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
            try:
                data = channel.recv(PACKET)
            except TimeoutError:
                break
            if not data:
                is_open = False
                break
            batch += _spans.decode(data)
            deadline = deadline or time.monotonic() + LINGER
        if batch:
            yield batch


class Spans:
    """From what the engine tells to what OpenTelemetry knows."""

    def __init__(self, exporter: Exporter) -> None:
        self._group = exporter.group_id
        self._resource = Resource.create(_resource(exporter.trigger))
        self._scope = InstrumentationScope("kafkatrigger", metadata.version("kafkatrigger"), CONVENTIONS)

    def readable(self, span: Span) -> ReadableSpan:
        """One attempt: a span of its own, a child of whoever made the message, and linked to that as the conventions ask."""
        parent = _context(span, span.parent_id, is_remote=span.is_linked) if span.parent_id else None
        return ReadableSpan(
            name=f"process {span.topic}",
            context=_context(span, span.span_id, is_remote=False),
            parent=parent,
            resource=self._resource,
            attributes=self._attributes(span),
            links=[Link(parent)] if parent is not None and span.is_linked else [],
            kind=SpanKind.CONSUMER,
            status=Status(StatusCode.ERROR, span.error_message) if span.error_class else Status(),
            start_time=span.began,
            end_time=max(span.began, span.ended),
            instrumentation_scope=self._scope,
        )

    def _attributes(self, span: Span) -> dict[str, str | int | bool]:
        return {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": span.topic,
            "messaging.destination.partition.id": str(span.partition),
            "messaging.kafka.offset": span.offset,
            "messaging.consumer.group.name": self._group,
            "kafkatrigger.attempt": span.attempt,
            "kafkatrigger.result": span.result,
            **({"messaging.kafka.message.tombstone": True} if span.is_tombstone else {}),
            **({"error.type": span.error_class} if span.error_class else {}),
        }


def _resource(trigger: str) -> dict[str, str]:
    namespace, _, name = trigger.partition("/")
    pod = {
        "k8s.namespace.name": os.environ.get("KAFKATRIGGER_POD_NAMESPACE", ""),
        "k8s.pod.name": os.environ.get("KAFKATRIGGER_POD_NAME", ""),
        "k8s.pod.uid": os.environ.get("KAFKATRIGGER_POD_UID", ""),
    }
    return {
        "service.name": name,
        "service.namespace": namespace,
        "service.instance.id": pod["k8s.pod.uid"] or str(uuid.uuid4()),
        "service.version": metadata.version("kafkatrigger"),
        **{attribute: value for attribute, value in pod.items() if value},
    }


def _context(span: Span, span_id: bytes, *, is_remote: bool) -> SpanContext:
    state = TraceState.from_header([span.state.decode(errors="replace")])
    return SpanContext(int(span.trace_id, 16), int(span_id, 16), is_remote, TraceFlags(span.flags), state)


class _LastWords(logging.Handler):
    """What the library has to say of an export, instead of in the log at each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ""
        """Since it was cleared: later ones say that it tries again, or no more."""
        library = logging.getLogger("opentelemetry")
        library.propagate = False
        library.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage()


if __name__ == "__main__":
    main(*sys.argv[1:])
