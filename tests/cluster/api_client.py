"""Asks a kube-apiserver whether something is there: what the bring-up needs, without a kubectl process per question."""

import http.client
import ssl
from dataclasses import dataclass
from pathlib import Path

from .certificates import Authority, Pair


@dataclass(frozen=True)
class ApiClient:
    """GET requests with a client certificate."""

    host: str
    port: int
    authority: Path
    user: Pair

    @classmethod
    def admin(cls, host: str, port: int, authority: Authority) -> "ApiClient":
        return cls(host, port, authority.pair.certificate, authority.client("admin", group="system:masters"))

    def exists(self, path: str) -> bool:
        """Whether the server answers this path with 200."""
        return self.get(path) is not None

    def get(self, path: str, seconds: float = 2) -> bytes | None:
        """The body of a 200 answer; None for every other answer, and for none."""
        try:
            context = ssl.create_default_context(cafile=str(self.authority))
            context.load_cert_chain(self.user.certificate, self.user.key)
            connection = http.client.HTTPSConnection(self.host, self.port, timeout=seconds, context=context)
        except OSError:
            return None
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            return body if response.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
