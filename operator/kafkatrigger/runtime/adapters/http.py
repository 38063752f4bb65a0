"""One web service, of which nothing is reached but what is below its base URL."""

import base64
import json
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from kafkatrigger.runtime.adapters.protocol import AdapterError, secret
from kafkatrigger.runtime.errors import bounded

_CHUNK = 1024 * 1024
_REDIRECTIONS = (301, 302, 303, 307, 308)
_MOST_REDIRECTIONS = 5
_LATER = (408, 425, 429, 500, 502, 503, 504)
"""What may go well later."""

Query = list[tuple[str, str]]


class Answer(msgspec.Struct, frozen=True):
    """What came."""

    content: bytes
    headers: Mapping[str, str]


class Client:
    """Requests to one service, with the credentials of a secret; several threads use it."""

    def __init__(self, base_url: str, secrets: Path, *, timeout: float, limit: int) -> None:
        self._base = base_url.rstrip("/") + "/"
        self._timeout = timeout
        self._limit = limit
        self._headers = _authorization(secrets)
        self._pool = _pool(self._base, secrets)

    def get(self, path: str, query: Query, *, empty: str = "") -> Answer:
        """What a path gives; nothing, where the service says that it is not there with the error code `empty`."""
        status, answer = self._followed(path, query)
        if status == 404 and empty and _error_code(answer.content) == empty:
            return Answer(b"", {})
        return _fine(status, answer)

    def post(self, path: str, query: Query, content: bytes, headers: Mapping[str, str]) -> None:
        """Sends JSON. A redirection is not followed: it would be sent twice, or not at all."""
        url = f"{self._base}{path}{_text(query)}"
        _fine(*self._asked("POST", url, content, {"Content-Type": "application/json", **headers}))

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def _followed(self, path: str, query: Query) -> tuple[int, Answer]:
        url = f"{self._base}{path}{_text(query)}"
        for _ in range(_MOST_REDIRECTIONS):
            status, answer = self._asked("GET", url, None, {})
            if status not in _REDIRECTIONS:
                return status, answer
            url = urljoin(url, answer.headers.get("Location", ""))
            if not self._is_below(url):
                raise AdapterError("it sends elsewhere, to what is not below its baseUrl: correct baseUrl")
        raise AdapterError(f"it sends elsewhere more than {_MOST_REDIRECTIONS} times: correct baseUrl")

    def _is_below(self, url: str) -> bool:
        return url.startswith(self._base) and not {".", ".."} & set(urlsplit(url).path.split("/"))

    def _asked(self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]) -> tuple[int, Answer]:
        end = time.monotonic() + self._timeout
        try:
            response = self._pool.request(
                method,
                url,
                body=content,
                headers={**self._headers, **headers, "Accept-Encoding": "gzip"},
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(total=self._timeout),
                preload_content=False,
            )
            try:
                return response.status, Answer(self._read(response, end), response.headers)
            finally:
                response.close()
        except (HTTPError, OSError) as error:
            raise AdapterError(f"it cannot be reached, or breaks off: {type(error).__name__}", retriable=True) from None

    def _read(self, response: urllib3.BaseHTTPResponse, end: float) -> bytes:
        """The body, within time and size; in pieces as they come, so that one that comes slowly is seen to."""
        content = bytearray()
        while chunk := response.read1(_CHUNK):
            content += chunk
            if len(content) > self._limit:
                raise AdapterError(f"it sends more than {self._limit} bytes: ask for less, or raise maxResponseBytes")
            if time.monotonic() > end:
                raise AdapterError(
                    f"it takes longer than {self._timeout:g} s: ask for less, or raise timeout", retriable=True
                )
        return bytes(content)


def _text(query: Query) -> str:
    return f"?{urlencode(query)}" if query else ""


def _fine(status: int, answer: Answer) -> Answer:
    if 200 <= status < 300:
        return answer
    text = bounded(answer.content[:2000].decode(errors="replace"), 300)
    raise AdapterError(f"it answers with the status {status}: {text}", retriable=status in _LATER)


def _error_code(content: bytes) -> str:
    try:
        found = json.loads(content)
    except ValueError:
        return ""
    return str(found.get("errorCode")) if isinstance(found, dict) else ""


def _authorization(secrets: Path) -> dict[str, str]:
    if token := secret(secrets, "token", default=""):
        return {"Authorization": f"Bearer {token}"}
    if user := secret(secrets, "username", default=""):
        pair = f"{user}:{secret(secrets, 'password')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _pool(url: str, secrets: Path) -> urllib3.PoolManager:
    """Through the proxy of the environment, where there is one for this host."""
    context = ssl.create_default_context()
    if certificate := secret(secrets, "ca.crt", default=""):
        try:
            context.load_verify_locations(cadata=certificate)
        except (ssl.SSLError, ValueError):
            raise AdapterError("the key 'ca.crt' of its secret holds no certificates: write them as PEM") from None
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    return urllib3.ProxyManager(proxy, ssl_context=context) if proxy else urllib3.PoolManager(ssl_context=context)
