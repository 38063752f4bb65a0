"""A pod that answers when it is asked for its status."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from kafkatrigger.api.pod_status import PodStatus

POD_ADDRESS = "127.77.31.4"
"""A loopback address of its own, so that the port of /status is free."""


@contextmanager
def pod_that_says(status: PodStatus, address: str = POD_ADDRESS) -> Iterator[list[str]]:
    """A pod's /status; yields the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(msgspec.json.encode(status))

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer((address, 8080), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
