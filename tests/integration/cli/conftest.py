"""Fixtures of the command line's suite."""

import pytest

from tests.cluster.broker import HostBroker
from tests.integration.cli.letters import Letters
from tests.support.topics import Topics


@pytest.fixture
def topics(broker: HostBroker) -> Topics:
    """Topics of the shared broker."""
    return Topics(broker.bootstrap)


@pytest.fixture
def letters(broker: HostBroker, topics: Topics) -> Letters:
    """A trigger's dead letters: none yet."""
    return Letters(broker, topics)
