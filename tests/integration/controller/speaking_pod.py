"""A pod that answers when it is asked for its status."""

import http.server
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from kafkatrigger.api.pod_status import PodStatus


class SpeakingPod(NamedTuple):
    """Where it answers, and the paths that it was asked for."""

    address: str
    asked: list[str]


@contextmanager
def pod_that_says(status: PodStatus) -> Iterator[SpeakingPod]:
    """A pod's /status, which follows what the test changes in it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(msgspec.json.encode(status))

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer((_address(), 8080), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield SpeakingPod(str(server.server_address[0]), asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _address() -> str:
    """A loopback address of its own, so that the port of /status is free."""
    return ".".join(["127", *(str(random.randrange(1, 255)) for _ in range(3))])
