"""Fixtures of the recovery suite: the operator as documents install it, for all namespaces. Its tests run alone."""

import uuid
from collections.abc import Iterator

import pytest

from tests.cluster import commands
from tests.cluster.provider import Provider
from tests.support.on_cluster import bootstrap, cluster, pytest_runtest_makereport
from tests.support.release import DEFAULT, Release, images, values
from tests.support.triggers import Namespace

__all__ = ["bootstrap", "cluster", "pytest_runtest_makereport"]


@pytest.fixture
def release(cluster: Provider) -> Release:
    """The default release, up to date and at work."""
    commands.images(cluster, images())
    DEFAULT.install(values(cluster))
    return DEFAULT


@pytest.fixture
def namespace(release: Release, bootstrap: str) -> Iterator[Namespace]:
    """A namespace of the test's own."""
    found = Namespace.create(f"recovery-{uuid.uuid4().hex[:6]}", bootstrap, release)
    yield found
    found.delete()
