"""A certificate authority for tests, and kubeconfigs with client certificates; made with openssl."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from .settings import NAME
from .shell import run

_DAYS = "3650"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """Signs certificates; everything is kept in `folder`, and made only once."""

    folder: Path

    @property
    def pair(self) -> Pair:
        return self._pair("ca")

    def ensure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.pair.certificate.exists():
            return
        # Python 3.13 and newer refuse an authority that does not say what its key is for.
        purpose = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        files = ("-keyout", self.pair.key, "-out", self.pair.certificate)
        run(["openssl", "req", "-x509", *_NEW_KEY, "-days", _DAYS, "-subj", f"/CN={NAME}-ca", *purpose, *files])

    def server(self, name: str, alternative_names: list[str]) -> Pair:
        return self._sign(name, f"/CN={name}", f"subjectAltName={','.join(alternative_names)}")

    def client(self, name: str, *, group: str = "", file: str = "") -> Pair:
        subject = f"/O={group}/CN={name}" if group else f"/CN={name}"
        return self._sign(file or name, subject, "extendedKeyUsage=clientAuth")

    def signing_key(self, name: str) -> Path:
        """A bare key, for the tokens of service accounts."""
        key = self._pair(name).key
        if not key.exists():
            run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key])
        return key

    def kubeconfig(self, path: Path, server: str, user: Pair) -> Path:
        """A kubeconfig that holds everything it needs, so that it can be copied."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": NAME,
            "clusters": [
                {
                    "name": NAME,
                    "cluster": {"server": server, "certificate-authority-data": _encoded(self.pair.certificate)},
                }
            ],
            "users": [
                {
                    "name": NAME,
                    "user": {
                        "client-certificate-data": _encoded(user.certificate),
                        "client-key-data": _encoded(user.key),
                    },
                }
            ],
            "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=1))
        return path

    def _pair(self, name: str) -> Pair:
        return Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")

    def _sign(self, name: str, subject: str, extension: str) -> Pair:
        pair = self._pair(name)
        if pair.certificate.exists():
            return pair
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"{extension}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        run(["openssl", "req", *_NEW_KEY, "-subj", subject, "-keyout", pair.key, "-out", request])
        authority = ("-CA", self.pair.certificate, "-CAkey", self.pair.key, "-CAcreateserial")
        details = ("-days", _DAYS, "-extfile", extensions)
        run(["openssl", "x509", "-req", "-in", request, *authority, *details, "-out", pair.certificate])
        return pair


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
