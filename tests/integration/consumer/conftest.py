"""Fixtures of the consumer's suite."""

from collections.abc import Iterator

import pytest

from tests.cluster.broker import HostBroker
from tests.soak.sessions import QUICK_SESSIONS
from tests.support.topics import Topics


@pytest.fixture(scope="package")
def broker() -> Iterator[HostBroker]:
    """A broker for this folder: tests make topics and groups of their own."""
    with HostBroker(properties=QUICK_SESSIONS) as running:
        yield running


@pytest.fixture
def topics(broker: HostBroker) -> Topics:
    """Topics of the shared broker."""
    return Topics(broker.bootstrap)


@pytest.fixture
def own_broker() -> Iterator[HostBroker]:
    """A broker of the test's own, which it may stop, kill and freeze."""
    with HostBroker() as running:
        yield running
