"""The namespace's Transformations, from a server that fails as a test says. A real one is in the integration tests."""

import http.client
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kafkatrigger.consumer import catalog_cluster
from kafkatrigger.consumer.catalog_cluster import ApiServer, ClusterCatalog
from tests.support.waiting import until
from tests.unit.consumer.test_catalog import manifest

Options = dict[str, str]
Answer = tuple[int, list[Any]]
"""Status, and the lines of the body."""


class Server(ApiServer):
    """On this machine, without TLS. `answers` is asked about each request."""

    def __init__(self, answers: Callable[[Options], Answer]) -> None:
        self.requests: list[Options] = []
        self.tokens: list[str | None] = []
        self.bearer = "first"
        self.answers = answers
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                assert path == "/apis/kafkatrigger.dev/v1alpha1/namespaces/plant/transformations"
                options = dict(urllib.parse.parse_qsl(query))
                server.requests.append(options)
                server.tokens.append(self.headers["Authorization"])
                status, lines = server.answers(options)
                self.send_response(status)
                self.end_headers()
                for line in lines:
                    self.wfile.write(json.dumps(line).encode() + b"\n")
                    self.wfile.flush()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def connect(self, seconds: float) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._server.server_address[1], timeout=seconds)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.bearer}"}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def watched(self) -> list[str]:
        """From which versions on."""
        return [each["resourceVersion"] for each in self.requests if "watch" in each]


def page(version: str, *manifests: dict[str, Any], more: str = "") -> Answer:
    return 200, [{"metadata": {"resourceVersion": version, "continue": more}, "items": list(manifests)}]


def event(kind: str, version: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": {**given, "metadata": {**given["metadata"], "resourceVersion": version}}}


class World:
    def __init__(self) -> None:
        self.lists = [page("1", manifest("a"))]
        self.watches: list[Answer] = []
        self.ended = threading.Event()
        self.pauses: list[float] = []
        self.server = Server(self._answer)
        self.catalog: ClusterCatalog | None = None

    def _answer(self, options: Options) -> Answer:
        if "watch" not in options:
            return self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if self.watches:
            return self.watches.pop(0)
        self.ended.wait(20)  # a watch that has nothing to say
        return 200, []

    def _pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return self.ended.wait(min(seconds, 0.01))

    def start(self) -> ClusterCatalog:
        return ClusterCatalog("plant", self.server, self._pause)

    def wait(self, catalog: ClusterCatalog, *names: str) -> None:
        until(lambda: sorted(catalog.listing() or ()) == sorted(names), 10, f"{names}; {catalog.problem}")


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.ended.set()
    made.server.close()


def test_it_is_known_only_when_all_pages_are_there(world: World) -> None:
    world.lists = [
        page("1", manifest("a"), more="next"),
        (500, [{"message": "away"}]),
        page("2", manifest("a"), more="n"),
    ]
    world.lists += [page("2", manifest("b"))]
    catalog = world.start()
    world.wait(catalog, "a", "b")
    until(lambda: world.server.watched == ["2"], 10, "the watch")
    assert [each.get("continue") for each in world.server.requests[:4]] == [None, "next", None, "n"]


def test_changes_are_watched_and_a_watch_goes_on_where_the_last_one_ended(world: World) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}
    world.watches = [
        (200, [event("ADDED", "2", manifest("b")), event("DELETED", "3", manifest("a"))]),
        (200, [event("MODIFIED", "4", manifest("b", versionTag="2")), bookmark]),
    ]
    catalog = world.start()
    until(lambda: world.server.watched == ["1", "3", "9"], 10, "three watches")
    world.wait(catalog, "b")
    assert (catalog.listing() or {})["b"].version_tag == "2"
    assert len([each for each in world.server.requests if "watch" not in each]) == 1


@pytest.mark.parametrize(
    "end", [(410, [{"message": "too old"}]), (200, [{"type": "ERROR", "object": {"code": 410, "message": "too old"}}])]
)
def test_what_the_server_does_not_remember_is_listed_again(world: World, end: Answer) -> None:
    world.lists = [page("1", manifest("a")), page("7", manifest("c"))]
    world.watches = [end]
    catalog = world.start()
    world.wait(catalog, "c")
    until(lambda: world.server.watched == ["1", "7"], 10, "two watches")


def test_what_is_known_stays_while_the_server_is_away_and_it_is_asked_less_and_less(world: World) -> None:
    world.watches = [(503, [])] * 4 + [(200, [event("ADDED", "2", manifest("b"))])]
    catalog = world.start()
    world.wait(catalog, "a", "b")
    most = [catalog_cluster.FIRST_PAUSE * 2**failures for failures in range(1, 5)]
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(world.pauses, most, strict=False))
    assert len([each for each in world.server.requests if "watch" not in each]) == 1


def test_after_many_failures_it_is_listed_again(world: World) -> None:
    world.lists = [page("1", manifest("a")), page("8", manifest("c"))]
    world.watches = [(504, [{"message": "Too large resource version"}])] * catalog_cluster.LIST_AGAIN
    world.wait(world.start(), "c")


def test_the_token_is_read_for_each_request(world: World) -> None:
    go_on = threading.Event()

    def answers(options: Options) -> Answer:
        if "watch" in options:
            go_on.wait(10)
            return 200, []
        return page("1")

    world.server.answers = answers
    world.start()
    until(lambda: len(world.server.requests) >= 2, 10, "a watch")
    world.server.bearer = "second"
    go_on.set()
    until(lambda: "Bearer second" in world.server.tokens, 10, "the new token")


def test_a_refusal_says_what_to_do(world: World) -> None:
    world.lists = [(403, [{"message": "transformations is forbidden"}])]
    catalog = world.start()
    until(lambda: "transformations is forbidden" in catalog.problem, 10, "the problem")
    assert "get, list and watch transformations.kafkatrigger.dev" in catalog.problem
    assert catalog.listing() is None


def test_outside_of_a_cluster_it_says_so() -> None:
    catalog = ClusterCatalog("plant", ApiServer({}), lambda _: True)
    until(lambda: "--transformations" in catalog.problem, 10, "the problem")
