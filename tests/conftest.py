"""Fixtures that more than one suite uses."""

from collections.abc import Iterator

import pytest

from tests.cluster.broker import HostBroker


@pytest.fixture(scope="session")
def broker() -> Iterator[HostBroker]:
    """A real Kafka on this machine, shared: tests make topics and groups of their own."""
    with HostBroker() as running:
        yield running
