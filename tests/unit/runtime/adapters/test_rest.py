"""The client of generic REST adapters, against a small service."""

import base64
import gzip
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

from kafkatrigger.runtime.adapters.kept import Kept
from kafkatrigger.runtime.adapters.protocol import AdapterError
from kafkatrigger.runtime.transformations.model import DataType
from tests.support.adapters import failure, loaded, made, secret_of, wired
from tests.support.stores import certificate

CANARY = "c4n4ry-t0ken"
RANGE = {"timestampFrom": "2026-01-01T00:00:00Z", "timestampTo": "2026-01-02T00:00:00Z"}
Answers = dict[str, Callable[["Handler"], None]]


def not_there(handler: "Handler") -> None:
    handler.answer(b"nothing here", 404)


class Handler(BaseHTTPRequestHandler):
    """Answers by path, and keeps what was asked."""

    protocol_version = "HTTP/1.1"
    server: "Service"

    def answer(self, content: bytes, /, status: int = 200, **headers: Any) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        path = urlsplit(self.path).path
        self.server.answers.get(path, not_there)(self)

    do_POST = do_GET  # noqa: N815 - its name there

    def log_message(self, *arguments: Any) -> None:
        pass


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: Answers = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def query(self) -> dict[str, list[str]]:
        """Of the last request."""
        return parse_qs(urlsplit(self.asked[-1][1]).query, keep_blank_values=True)

    def handle_error(self, *arguments: Any) -> None:
        """A client that goes away."""


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def adapter(service: Service) -> Iterator[Kept]:
    found = made("rest", baseUrl=f"{service.url}/api", sources=["*"], sinks=["*"], timeout=1, maxResponseBytes=10_000)
    yield found
    found.close()


def lines(*records: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(each).encode() for each in records)


def attributes(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def test_a_series(service: Service, adapter: Kept) -> None:
    content = lines(
        {"timeseriesId": "a/b", "timestamp": "2026-01-01T02:00:00.000000000Z", "value": 2.0},
        {"timeseriesId": "a/b", "timestamp": "2026-01-01T01:00:00.000000000Z", "value": None},
    )
    header = attributes({"a/b": {"unit": "C"}})
    service.answers["/api/timeseries"] = lambda handler: handler.answer(content, Data_Attributes=header)
    filters = {**RANGE, "more": "x y"}
    series = loaded(adapter, "a/b", DataType.SERIES, "timeseries(float)", filters=filters)
    assert series.to_dict() == {
        pd.Timestamp("2026-01-01T02:00:00Z"): 2.0,
        pd.Timestamp("2026-01-01T01:00:00Z"): pytest.approx(float("nan"), nan_ok=True),
    }
    assert series.index.is_monotonic_increasing
    assert series.attrs == {"unit": "C"}
    assert service.query == {
        "id": ["a/b"],
        "from": [RANGE["timestampFrom"]],
        "to": [RANGE["timestampTo"]],
        "more": ["x y"],
    }


def test_a_frame(service: Service, adapter: Kept) -> None:
    content = lines(
        {"timestamp": "2026-01-01T00:00:00.000000000Z", "a": 1, "b": "x"}, {"timestamp": None, "a": 2, "b": None}
    )
    header = attributes({"plant": "north"})
    service.answers["/api/dataframe"] = lambda handler: handler.answer(
        gzip.compress(content), Content_Encoding="gzip", Data_Attributes=header
    )
    frame = loaded(adapter, "x", DataType.DATAFRAME, filters={"q": ""})
    assert frame["a"].tolist() == [1, 2]
    assert frame.index[0] == frame["timestamp"].iloc[0] == pd.Timestamp("2026-01-01", tz="UTC")
    assert frame.attrs == {"plant": "north"}
    assert service.query == {"id": ["x"], "q": [""]}


def test_a_multitsframe(service: Service, adapter: Kept) -> None:
    content = lines(
        {"metric": "b", "timestamp": "2026-01-01T02:00:00Z", "value": 2},
        {"metric": "a", "timestamp": "2026-01-01T01:00:00Z", "value": 1},
    )
    service.answers["/api/multitsframe"] = lambda handler: handler.answer(content)
    frame = loaded(adapter, "x", DataType.MULTITSFRAME, filters=RANGE)
    assert frame["metric"].tolist() == ["a", "b"]


@pytest.mark.parametrize(("kind", "type_"), [(DataType.SERIES, "timeseries(float)"), (DataType.MULTITSFRAME, "")])
@pytest.mark.parametrize(("content", "status"), [(b"", 200), (b'{"errorCode": "RESULT_EMPTY"}', 404)])
def test_nothing(service: Service, adapter: Kept, kind: DataType, type_: str, content: bytes, status: int) -> None:
    for path in ("/api/timeseries", "/api/multitsframe"):
        service.answers[path] = lambda handler: handler.answer(content, status)
    assert len(loaded(adapter, "x", kind, type_, filters=RANGE)) == 0


@pytest.mark.parametrize(
    ("ref_id_type", "path"),
    [
        ("SOURCE", "/api/sources/a%2Fb/metadata/k%3F"),
        ("SINK", "/api/sinks/a%2Fb/metadata/k%3F"),
        ("THINGNODE", "/api/thingNodes/a%2Fb/metadata/k%3F"),
    ],
)
def test_metadata(service: Service, adapter: Kept, ref_id_type: str, path: str) -> None:
    service.answers[path] = lambda handler: handler.answer(b'{"key": "k?", "value": 1.5, "dataType": "float"}')
    where = {"ref_id_type": ref_id_type, "ref_key": "k?"}
    assert loaded(adapter, "a/b", DataType.FLOAT, "metadata(float)", **where) == 1.5
    adapter.send(wired("a/b", DataType.FLOAT, "metadata(float)", **where), DataType.FLOAT, 2.5)
    assert json.loads(service.asked[-1][3]) == {"key": "k?", "value": 2.5, "dataType": "float"}


def test_a_series_is_sent(service: Service, adapter: Kept) -> None:
    service.answers["/api/timeseries"] = lambda handler: handler.answer(b"", 201)
    series = pd.Series(
        [1.5, None],
        index=pd.to_datetime(["2026-01-01T01:00:00.5+01:00", "2026-01-02T00:00:00+01:00"], format="ISO8601"),
    )
    series.attrs["unit"] = "C"
    adapter.send(wired("a b", DataType.SERIES), DataType.SERIES, series)
    method, _, headers, body = service.asked[-1]
    assert (method, service.query, headers["Data-Attributes"]) == (
        "POST",
        {"timeseriesId": ["a b"]},
        attributes({"unit": "C"}),
    )
    assert json.loads(body) == [
        {"timestamp": "2026-01-01T00:00:00.500000000Z", "value": 1.5},
        {"timestamp": "2026-01-01T23:00:00.000000000Z", "value": None},
    ]


def test_a_frame_is_sent_without_its_index(service: Service, adapter: Kept) -> None:
    service.answers["/api/dataframe"] = lambda handler: handler.answer(b"")
    adapter.send(wired("x", DataType.DATAFRAME), DataType.DATAFRAME, pd.DataFrame({"a": [1, 2]}, index=["p", "q"]))
    assert service.query == {"id": ["x"]}
    assert json.loads(service.asked[-1][3]) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("keys", "header"),
    [
        ({"token": CANARY}, f"Bearer {CANARY}"),
        ({"username": "me", "password": CANARY}, f"Basic {base64.b64encode(f'me:{CANARY}'.encode()).decode()}"),
        ({}, None),
    ],
)
def test_credentials(service: Service, tmp_path: Path, keys: dict[str, str], header: str | None) -> None:
    secrets = secret_of(tmp_path / "secret", **keys)
    adapter = made("rest", secrets, baseUrl=service.url, sources=["*"])
    service.answers["/dataframe"] = lambda handler: handler.answer(
        f"{CANARY} {handler.headers['Authorization']}".encode(), 500
    )
    error = failure(adapter, "x")
    assert service.asked[-1][2].get("Authorization") == header
    assert error.retriable
    assert "it answers with the status 500" in str(error)
    assert CANARY not in str(error) or not keys


def test_what_is_allowed(service: Service) -> None:
    adapter = made("rest", baseUrl=service.url, sources=["plant.a.*", "one"], sinks=["out"])
    for path in ("/dataframe",):
        service.answers[path] = lambda handler: handler.answer(b"")
    for each in ("plant.a.x", "one"):
        loaded(adapter, each, DataType.DATAFRAME)
    asked = len(service.asked)
    for each in ("plant.b.x", "One", "out", "one ", "plant.a"):
        assert "option sources allows, which are plant.a.*, one" in str(failure(adapter, each))
    with pytest.raises(AdapterError, match="option sinks allows, which are out"):
        adapter.send(wired("one"), DataType.DATAFRAME, pd.DataFrame({"a": [1]}))
    assert "a filter is called id" in str(failure(adapter, "one", filters={"id": "two"}))
    assert len(service.asked) == asked


@pytest.mark.parametrize(
    ("type_", "more", "sentence"),
    [
        ("metadata(any)", {"ref_key": "..", "ref_id_type": "SOURCE"}, "'..' is no id and no key"),
        ("metadata(any)", {"ref_id_type": "SOURCE"}, "metadata are wired without a ref_key"),
        ("metadata(any)", {"ref_key": "k"}, "metadata are wired without a ref_id_type"),
        ("metadata(any)", {"ref_key": "k", "ref_id_type": "../SOURCE"}, "metadata are wired without a ref_id_type"),
        ("timeseries(float)", {}, "no range of time is given: set the filters timestampFrom and timestampTo"),
    ],
)
def test_wirings_that_lack_something(
    service: Service, adapter: Kept, type_: str, more: dict[str, str], sentence: str
) -> None:
    assert sentence in str(failure(adapter, "x", DataType.ANY, type_, **more))
    assert not service.asked


def test_an_id_leads_nowhere_else(service: Service, adapter: Kept) -> None:
    where = {"ref_key": "k", "ref_id_type": "SOURCE"}
    assert "is no id" in str(failure(adapter, "..", DataType.ANY, "metadata(any)", **where))
    failure(adapter, "../../secret?x#y", DataType.ANY, "metadata(any)", **where)
    assert service.asked[-1][1] == "/api/sources/..%2F..%2Fsecret%3Fx%23y/metadata/k"
    failure(adapter, "a&id=b", DataType.DATAFRAME)
    assert service.query == {"id": ["a&id=b"]}


def test_redirections(service: Service, adapter: Kept, tmp_path: Path) -> None:
    service.answers["/api/there"] = lambda handler: handler.answer(lines({"a": 1}))

    def to(target: str) -> None:
        service.answers["/api/dataframe"] = lambda handler: handler.answer(b"", 307, Location=target)

    to("there?x=1")
    assert loaded(adapter, "x", DataType.DATAFRAME)["a"].tolist() == [1]
    with Service() as other:
        for target in (
            f"{other.url}/api/there",
            "/elsewhere",
            "../elsewhere",
            "/api/../elsewhere",
            "//127.0.0.2/api/there",
            "file:///etc/passwd",
        ):
            to(target)
            assert "it sends elsewhere, to what is not below its baseUrl" in str(failure(adapter, "x"))
        assert not other.asked
    to("dataframe")
    assert "it sends elsewhere more than 5 times" in str(failure(adapter, "x"))
    with pytest.raises(AdapterError, match="it answers with the status 307"):
        adapter.send(wired("x", DataType.DATAFRAME), DataType.DATAFRAME, pd.DataFrame({"a": [1]}))


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_that_is_too_large(service: Service, adapter: Kept, packed: bool) -> None:
    content = b" " * 10_000_000
    body = gzip.compress(content) if packed else content
    headers: dict[str, Any] = {"Content_Encoding": "gzip"} if packed else {}
    service.answers["/api/dataframe"] = lambda handler: handler.answer(body, **headers)
    error = failure(adapter, "x")
    assert str(error) == "it sends more than 10000 bytes: ask for less, or raise maxResponseBytes"
    assert not error.retriable


def test_an_answer_that_does_not_come(service: Service, adapter: Kept) -> None:
    done = threading.Event()

    def wait(_: Handler) -> None:
        done.wait(30)

    service.answers["/api/dataframe"] = wait
    began = time.monotonic()
    error = failure(adapter, "x")
    done.set()
    assert error.retriable
    assert time.monotonic() - began < 15


def test_an_answer_that_comes_drop_by_drop(service: Service, adapter: Kept) -> None:
    done = threading.Event()

    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not done.wait(0.2):
            handler.wfile.write(b" ")

    service.answers["/api/dataframe"] = drip
    error = failure(adapter, "x")
    done.set()
    assert "it takes longer than 1 s" in str(error)
    assert error.retriable


def test_a_service_that_is_not_there() -> None:
    with Service() as gone:
        url = gone.url
    error = failure(made("rest", baseUrl=url, sources=["*"]), "x")
    assert str(error).startswith("it cannot be reached, or breaks off: ")
    assert error.retriable


@pytest.mark.parametrize(
    ("content", "status", "sentence", "is_retriable"),
    [
        (b"not json", 200, "what came is no JSON, line by line", False),
        (b"no", 404, "it answers with the status 404: no", False),
        (b"no", 429, "it answers with the status 429: no", True),
    ],
)
def test_answers_that_are_no_data(
    service: Service, adapter: Kept, content: bytes, status: int, sentence: str, is_retriable: bool
) -> None:
    service.answers["/api/dataframe"] = lambda handler: handler.answer(content, status)
    error = failure(adapter, "x")
    assert sentence in str(error)
    assert error.retriable is is_retriable


def test_certificates_are_checked(service: Service, tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.file, tls.key)
    service.socket = context.wrap_socket(service.socket, server_side=True)
    service.answers["/dataframe"] = lambda handler: handler.answer(lines({"a": 1}))
    secrets = secret_of(tmp_path / "secret")
    adapter = made("rest", secrets, baseUrl=service.url.replace("http", "https"), sources=["*"], timeout=5)
    assert "it cannot be reached, or breaks off: SSLError" in str(failure(adapter, "x"))
    secret_of(secrets, ca_crt=tls.file.read_text())
    assert loaded(adapter, "x", DataType.DATAFRAME)["a"].tolist() == [1]
    secret_of(secrets, ca_crt="not PEM at all")
    assert "'ca.crt' of its secret holds no certificates" in str(failure(adapter, "x"))
    adapter.close()


def test_the_proxy_of_the_environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", service.url)
    failure(made("rest", baseUrl="http://elsewhere.invalid/api", sources=["*"]), "x")
    assert service.asked[-1][1] == "http://elsewhere.invalid/api/dataframe?id=x"
