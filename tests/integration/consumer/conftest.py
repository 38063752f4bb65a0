"""Fixtures of the consumer's suite."""

from collections.abc import Iterator

import pytest

from tests.cluster.broker import HostBroker
from tests.support.topics import Topics


@pytest.fixture
def topics(broker: HostBroker) -> Topics:
    """Topics of the shared broker."""
    return Topics(broker.bootstrap)


@pytest.fixture
def own_broker() -> Iterator[HostBroker]:
    """A broker of the test's own, which it may stop, kill and freeze."""
    with HostBroker() as running:
        yield running
