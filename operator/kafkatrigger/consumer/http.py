"""The pod's read-only HTTP endpoints: /healthz, /readyz, /status, /metrics."""

import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from kafkatrigger.consumer.health import Health

log = logging.getLogger(__name__)

REQUEST_TIMEOUT = 5
"""Seconds a client may take: a slow one must not hold a thread for ever."""

Answer = tuple[HTTPStatus, str, bytes]


def serve(health: Health, registry: CollectorRegistry, port: int) -> ThreadingHTTPServer:
    """Serves in threads of its own until `shutdown`; port 0 takes a free one."""
    routes = _routes(health, registry)

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT

        def do_GET(self) -> None:
            """Answers one request."""
            route = routes.get(self.path)
            status, kind, body = route() if route else (HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Probes come every second: they are no news."""
            log.debug(format, *args)

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server


def _routes(health: Health, registry: CollectorRegistry) -> dict[str, Callable[[], Answer]]:
    def alive() -> Answer:
        code = HTTPStatus.OK if health.alive else HTTPStatus.SERVICE_UNAVAILABLE
        return code, "text/plain", b"alive\n" if health.alive else b"the engine hangs\n"

    def ready() -> Answer:
        status = health.status
        code = HTTPStatus.OK if status.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return code, "text/plain", f"{status.reason}: {status.message}\n".encode()

    def status() -> Answer:
        return HTTPStatus.OK, "application/json", msgspec.json.encode(health.status)

    def metrics() -> Answer:
        return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry)

    return {"/healthz": alive, "/readyz": ready, "/status": status, "/metrics": metrics}
