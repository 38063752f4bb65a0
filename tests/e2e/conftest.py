"""Fixtures of the e2e suite: one release for all tests, and a namespace for each."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster import commands
from tests.cluster.cache import lock
from tests.cluster.kubectl import Kubectl
from tests.cluster.provider import Provider
from tests.support.on_cluster import bootstrap, cluster, pytest_runtest_makereport
from tests.support.release import DEFAULT, Release, images, values
from tests.support.triggers import Namespace

__all__ = ["bootstrap", "cluster", "pytest_runtest_makereport"]

LONGEST = 50
"""Of a namespace's name: topics and groups begin with it."""


@dataclass(frozen=True)
class Private:
    """A namespace with an operator that serves nobody else."""

    namespace: Namespace
    release: Release
    provider: Provider

    def install(self, **more: Any) -> None:
        """Installs or upgrades it; keywords are values of the chart, or the default image of runtimes."""
        alone: dict[str, Any] = {
            "watchNamespaces": [self.namespace.name],
            "crds": {"install": False},
            "aggregatedRoles": False,
        }
        self.release.install(values(self.provider, **alone | more))

    def report(self) -> str:
        return self.namespace.report()


@pytest.fixture(scope="session")
def release(
    request: pytest.FixtureRequest,
    cluster: Provider,
    bootstrap: str,
    testrun_uid: str,
    worker_id: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Release]:
    """The operator that serves the tests' namespaces and no others: beside it private ones can run.

    The first worker that comes here installs it for all, with the namespaces of all tests; the last one that leaves lets
    it serve all namespaces again.
    """
    users = tmp_path_factory.getbasetemp().parent / f"e2e-{testrun_uid}"
    installed = users.with_suffix(".installed")
    with lock("e2e"):
        if not users.exists():
            users.mkdir()
            shared = [item for item in request.session.items if "namespace" in getattr(item, "fixturenames", ())]
            _install(cluster, bootstrap, [_name(item, testrun_uid) for item in shared])
            installed.touch()
        if not installed.exists():
            pytest.fail("the release could not be installed: the first error of this run says why")
        (users / worker_id).touch()
    yield DEFAULT
    with lock("e2e"):
        (users / worker_id).unlink()
        if not list(users.iterdir()):
            DEFAULT.install(values(cluster))
            _remove_namespaces()


@pytest.fixture
def namespace(
    request: pytest.FixtureRequest, release: Release, bootstrap: str, testrun_uid: str
) -> Iterator[Namespace]:
    """The test's own namespace, served by the shared operator."""
    found = Namespace(_name(request.node, testrun_uid), bootstrap, release)
    yield found
    found.clear()


@pytest.fixture
def private(
    request: pytest.FixtureRequest, release: Release, cluster: Provider, bootstrap: str, testrun_uid: str
) -> Iterator[Private]:
    """The test's own namespace, served by an operator of its own."""
    name = f"{_name(request.node, testrun_uid)}-own"
    own = Release("own", f"{name}-operator")
    found = Private(Namespace.create(name, bootstrap, own), own, cluster)
    found.install()
    yield found
    found.namespace.delete()
    if found.release.installed():
        found.release.uninstall()
    Kubectl()("delete", "namespace", found.release.namespace, "--wait=false")


def _name(item: pytest.Item, run: str) -> str:
    """One that nobody else has: the run and the hash tell it apart, the words are for people."""
    words = re.sub(r"[^a-z0-9]+", "-", item.name.lower().removeprefix("test_")).strip("-")
    return f"e2e-{run[:4]}-{zlib.crc32(item.nodeid.encode()):08x}-{words}"[:LONGEST].rstrip("-")


def _install(cluster: Provider, bootstrap: str, namespaces: list[str]) -> None:
    commands.images(cluster, images())
    _remove_namespaces()
    for name in namespaces:
        Namespace.create(name, bootstrap, DEFAULT)
    DEFAULT.install(values(cluster, watchNamespaces=namespaces))


def _remove_namespaces() -> None:
    """Begins to remove those of this run, or of an earlier one that was interrupted."""
    found = Kubectl()("get", "namespaces", "--output=name").split()
    if ours := [name for name in found if name.startswith("namespace/e2e-")]:
        Kubectl()("delete", *ours, "--wait=false", "--ignore-not-found")  # some may be on their way out
