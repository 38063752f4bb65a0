"""An OpenTelemetry collector: an OTLP receiver for HTTP that keeps what it gets."""

import threading
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.waiting import until

Attributes = dict[str, Any]


class Collected:
    """A span with what its tests ask for."""

    def __init__(self, resource: Attributes, scope: str, span: Span) -> None:
        self.resource = resource
        self.scope = scope
        """Name and the URL of the conventions."""
        self.name = span.name
        self.kind = Span.SpanKind.Name(span.kind)
        self.trace_id = span.trace_id.hex()
        self.id = span.span_id.hex()
        self.parent = span.parent_span_id.hex()
        self.state = span.trace_state
        self.links = [(link.trace_id.hex(), link.span_id.hex()) for link in span.links]
        self.attributes = _attributes(span.attributes)
        self.began, self.ended = span.start_time_unix_nano, span.end_time_unix_nano
        self.status = Status.StatusCode.Name(span.status.code)
        self.message = span.status.message

    @property
    def place(self) -> tuple[int, int]:
        """Offset and attempt."""
        return self.attributes["messaging.kafka.offset"], self.attributes["kafkatrigger.attempt"]

    @property
    def seconds(self) -> float:
        return (self.ended - self.began) / 1e9

    @property
    def header(self) -> bytes:
        """`traceparent` of whatever has it as its parent."""
        return f"00-{self.trace_id}-{self.id}-01".encode()


class Collector:
    """Listens until the end of the `with`; `respond` may be replaced, to refuse or to hang."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.respond: Callable[[], int] = lambda: 200
        self._spans: list[Collected] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = collector.respond()
                if status == 200:
                    collector._take(self.path, body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[Collected]:
        """All of them, by offset and attempt."""
        return sorted(self._spans, key=lambda span: span.place)

    def wait(self, count: int, seconds: float = 30.0) -> list[Collected]:
        """So many spans, as soon as there are; AssertionError where there are more."""
        until(lambda: len(self._spans) >= count, seconds, f"{count} spans")
        assert len(self._spans) == count
        return self.spans

    def by_offset(self) -> dict[int, list[Collected]]:
        """The spans of each message, by attempt."""
        found = defaultdict(list)
        for span in self.spans:
            found[span.place[0]].append(span)
        return found

    def _take(self, path: str, body: bytes) -> None:
        self.paths.add(path)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                about = _attributes(resource.resource.attributes)
                self._spans += [
                    Collected(about, f"{scope.scope.name} {scope.schema_url}", span) for span in scope.spans
                ]

    def __enter__(self) -> "Collector":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _attributes(pairs: Any) -> Attributes:
    return {pair.key: _value(pair) for pair in pairs}


def _value(pair: KeyValue) -> Any:
    value: AnyValue = pair.value
    return getattr(value, str(value.WhichOneof("value")))
