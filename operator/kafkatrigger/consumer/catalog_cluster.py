"""Transformations of the trigger's namespace, listed and watched.

With the standard library alone: the official client would cost more memory than all the rest of a consumer at rest.
While the API server is away, what is known goes on.
"""

import http.client
import json
import logging
import random
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from kafkatrigger.api.consumer_config import CREDENTIALS_PATH
from kafkatrigger.consumer.catalog import Listing, Manifest, too_much

log = logging.getLogger(__name__)

PAGE = 50
"""Transformations that are asked for at a time."""

WATCH_SECONDS = 300
"""After which the server ends a watch; this spreads them: up to a third longer."""

PATIENCE = 30.0
"""Seconds for an answer; for what a watch has to say, beyond its own."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds between two attempts."""

LIST_AGAIN = 5
"""Failures in a row after which it is listed again: the server may have lost what it said."""

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of one event: several times what the API server stores as one object."""

_GONE = 410

_MENDS = {
    401: "its token is refused: see that the pod's ServiceAccount exists",
    403: "let its ServiceAccount get, list and watch transformations.kafkatrigger.dev in its namespace",
    404: "install the definition of Transformations: it comes with the chart",
}


class _ApiError(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status} {words}")
        self.status = status


class _ListMetadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    next_page: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    metadata: _ListMetadata
    items: list[Manifest] = []


class _EventMetadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Versioned(msgspec.Struct):
    """An object, a bookmark, or the reason why a watch ends."""

    metadata: _EventMetadata = _EventMetadata()
    code: int = 0
    message: str = ""


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class ApiServer:
    """How to reach it from within a pod."""

    def __init__(self, environment: Mapping[str, str], credentials: Path = Path(CREDENTIALS_PATH)) -> None:
        self._host = environment.get("KUBERNETES_SERVICE_HOST", "")
        self._port = int(environment.get("KUBERNETES_SERVICE_PORT", "443"))
        self._credentials = credentials

    def connect(self, seconds: float) -> http.client.HTTPConnection:
        """A connection that gives up when nothing is heard for so long."""
        if not self._host:
            raise OSError("KUBERNETES_SERVICE_HOST is not set: outside of a cluster, name a file by --transformations")
        context = ssl.create_default_context(cafile=str(self._credentials / "ca.crt"))
        return http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=context)

    def headers(self) -> dict[str, str]:
        """With the token as it is now: it is replaced before it expires."""
        return {"Authorization": f"Bearer {(self._credentials / 'token').read_text().strip()}"}


class ClusterCatalog:
    """Lists and watches on a thread of its own, which never holds up anything.

    `is_over` waits so many seconds, and says whether that is all; a consumer never has enough.
    """

    def __init__(self, namespace: str, server: ApiServer, is_over: Callable[[float], bool] | None = None) -> None:
        self._path = f"/apis/kafkatrigger.dev/v1alpha1/namespaces/{namespace}/transformations"
        self._server = server
        self._is_over = is_over or threading.Event().wait
        self._random = random.Random()  # noqa: S311 - it spreads requests, nothing more
        self._known: Listing | None = None
        self._version = ""
        """Of the list, up to which all is known; empty where it has to be listed."""
        self._failures = 0
        """In a row."""
        self.problem = f"the Transformations of the namespace {namespace} are not listed yet"
        threading.Thread(target=self._run, name="catalog", daemon=True).start()

    def listing(self) -> Listing | None:
        """As everywhere."""
        return self._known

    def _run(self) -> None:
        while True:
            try:
                self._follow()
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not be the end of the thread
                self._tell(error)
            most = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures, 10))
            if self._is_over(most * self._random.uniform(0.5, 1.0)):
                return

    def _follow(self) -> None:
        """Lists where that is needed, and then watches until the server ends it."""
        if not self._version:
            self._list()
        try:
            self._watch()
        except _ApiError as error:
            if error.status != _GONE:
                raise
            self._version = ""  # what happened meanwhile is not remembered there: it is listed again

    def _list(self) -> None:
        found: list[Manifest] = []
        page = _Page(_ListMetadata())
        while True:
            more = {"limit": str(PAGE), **({"continue": page.metadata.next_page} if found else {})}
            with closing(self._server.connect(PATIENCE)) as connection:
                page = msgspec.json.decode(self._get(connection, more).read(), type=_Page)
            found += page.items
            if not page.metadata.next_page:
                break
        self._take({each.metadata.name: each.listed() for each in found})
        self._version = page.metadata.resource_version
        log.info("%d Transformations are listed", len(found))

    def _watch(self) -> None:
        seconds = round(WATCH_SECONDS * self._random.uniform(1.0, 4 / 3))
        options = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": self._version}
        with closing(self._server.connect(seconds + PATIENCE)) as connection:
            answer = self._get(connection, {**options, "timeoutSeconds": str(seconds)})
            self._failures = 0
            while line := answer.readline(LONGEST_LINE):
                self._on_event(msgspec.json.decode(line, type=_Event))

    def _get(self, connection: http.client.HTTPConnection, options: Mapping[str, str]) -> http.client.HTTPResponse:
        connection.connect()
        _keep_alive(connection.sock)
        connection.request("GET", f"{self._path}?{urllib.parse.urlencode(options)}", headers=self._server.headers())
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise _ApiError(answer.status, _words(answer.read(10_000)) or answer.reason)
        return answer

    def _on_event(self, event: _Event) -> None:
        if event.type == "ERROR":
            status = msgspec.json.decode(event.object, type=_Versioned)
            raise _ApiError(status.code, status.message)
        if event.type != "BOOKMARK":
            manifest = msgspec.json.decode(event.object, type=Manifest)
            known = {name: each for name, each in (self._known or {}).items() if name != manifest.metadata.name}
            self._take(known if event.type == "DELETED" else {**known, manifest.metadata.name: manifest.listed()})
        self._version = msgspec.json.decode(event.object, type=_Versioned).metadata.resource_version

    def _take(self, listing: Listing) -> None:
        if problem := too_much(listing.values()):
            raise ValueError(problem)
        self._known = listing

    def _tell(self, error: Exception) -> None:
        """Once for each time that it goes away: what is known goes on."""
        self._failures += 1
        if self._failures >= LIST_AGAIN:
            self._version = ""
        mend = _MENDS.get(error.status, "") if isinstance(error, _ApiError) else ""
        reason = f"{error}; {mend}" if mend else str(error) or type(error).__name__
        self.problem = f"the Transformations of the namespace cannot be listed: {reason}"
        if self._failures == 1:
            log.warning("%s", self.problem)


def _keep_alive(connection: socket.socket) -> None:
    """A server that is gone without a word is noticed within a minute, while a watch has nothing to say."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3)):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _words(body: bytes) -> str:
    """What the API says of a refusal."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
