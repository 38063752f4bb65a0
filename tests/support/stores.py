"""What adapters of tests reach: a PostgreSQL of Debian's package, and an object store that speaks S3."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.cluster import packages, scratch
from tests.cluster.errors import ClusterError
from tests.cluster.process import Daemon
from tests.cluster.programs import VERSITYGW_PROGRAM
from tests.cluster.waiting import accepts_connections, free_ports, wait_until

_DEBIAN = {"postgresql": "pg_ctlcluster"}
_PASSWORD = "s3cret-of-owner"  # noqa: S105 - of this server alone


class Postgres(NamedTuple):
    """A running server with an empty database."""

    port: int
    folder: Path

    def url(self, user: str = "owner", password: str = _PASSWORD) -> str:
        return f"postgresql+psycopg://{user}:{password}@127.0.0.1:{self.port}/postgres"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server as a process of this machine; ClusterError where it is not installed and cannot be."""
    packages.install(_DEBIAN)
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if programs is None:
        raise ClusterError("Debian's PostgreSQL is not in /usr/lib/postgresql", "install the package postgresql")
    (port,) = free_ports(1)
    folder = scratch.new_folder("postgres")
    try:
        folder.chmod(0o711)
        with _server(programs, _owned(folder / "server"), port):
            yield Postgres(port, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _owned(folder: Path) -> Path:
    """A folder of the user that runs the server, which refuses to be root."""
    folder.mkdir(mode=0o700)
    (folder / "password").write_text(_PASSWORD)
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        for each in (folder, folder / "password"):
            os.chown(each, user.pw_uid, user.pw_gid)
    return folder


@contextmanager
def _server(programs: Path, folder: Path, port: int) -> Iterator[None]:
    # Whoever ends the tests, ends the server.
    become = ["setpriv", "--pdeathsig=KILL"]
    if os.geteuid() == 0:
        become += ["--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data, log = folder / "data", folder.parent / "log"
    setup: list[str | Path] = [
        "--pgdata",
        data,
        "--username=owner",
        f"--pwfile={folder / 'password'}",
        "--auth=scram-sha-256",
        "--no-sync",
    ]
    with log.open("w") as output:
        subprocess.run([*become, programs / "initdb", *setup], check=True, stdout=output, stderr=output, cwd=folder)
        options = [
            f"-cport={port}",
            "-clisten_addresses=127.0.0.1",
            f"-cunix_socket_directories={folder}",
            "-cfsync=off",
        ]
        server = subprocess.Popen(
            [*become, programs / "postgres", "-D", data, *options], stdout=output, stderr=output, cwd=folder
        )
    try:
        wait_until(lambda: accepts_connections("127.0.0.1", port), what="PostgreSQL", seconds=60)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


class Certificate(NamedTuple):
    """For 127.0.0.1, signed by itself."""

    file: Path
    key: Path


def certificate(folder: Path) -> Certificate:
    """A new one; who is to trust it has to be told."""
    made = Certificate(folder / "tls.crt", folder / "tls.key")
    subject = [
        "-subj",
        "/CN=test",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ]
    key: list[str | Path] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", made.key]
    command: list[str | Path] = ["openssl", "req", "-x509", "-days", "2", *subject, *key, "-out", made.file]
    subprocess.run(command, check=True, capture_output=True)
    return made


class ObjectStore(NamedTuple):
    """A running store; folders of `root` are buckets."""

    url: str
    root: Path
    access_key: str = "test-access-key"
    secret_key: str = "s3cret-of-the-store"  # noqa: S105 - of this store alone


@contextmanager
def object_store(tls: Certificate | None = None) -> Iterator[ObjectStore]:
    """A store as a process of this machine, which is built when it is not there."""
    VERSITYGW_PROGRAM.ensure()
    (port,) = free_ports(1)
    folder = scratch.new_folder("s3")
    daemon = Daemon("versitygw", folder)
    address = f"127.0.0.1:{port}"
    store = ObjectStore(f"{'https' if tls else 'http'}://{address}", folder / "root")
    encrypted: list[str | Path] = ["--cert", tls.file, "--key", tls.key] if tls else []
    store.root.mkdir()
    keys = ["--access", store.access_key, "--secret", store.secret_key]
    try:
        daemon.start(
            [
                VERSITYGW_PROGRAM.binary("versitygw"),
                "--port",
                address,
                "--quiet",
                *keys,
                *encrypted,
                "posix",
                folder / "root",
            ]
        )
        daemon.wait(lambda: accepts_connections("127.0.0.1", port), 60)
        yield store
    finally:
        scratch.remove(folder)
