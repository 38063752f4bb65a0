"""Fixtures that more than one suite uses."""

from collections.abc import Iterator

import hypothesis
import pytest

from tests.cluster.broker import HostBroker

# How long an example takes says nothing where several suites share two cores.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def broker() -> Iterator[HostBroker]:
    """A real Kafka on this machine, shared: tests make topics and groups of their own."""
    with HostBroker() as running:
        yield running
