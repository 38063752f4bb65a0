"""Fixtures of the command line's suite."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.broker import HostBroker
from tests.integration.cli.letters import Letters
from tests.integration.cli.places import Cluster
from tests.support.topics import Topics

OPERATOR = Path(__file__).parents[3] / "operator"


@pytest.fixture
def topics(broker: HostBroker) -> Topics:
    """Topics of the shared broker."""
    return Topics(broker.bootstrap)


@pytest.fixture
def letters(broker: HostBroker, topics: Topics) -> Letters:
    """A trigger's dead letters: none yet."""
    return Letters(broker, topics)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster without pods, and its kubectl."""
    here = Cluster(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(OPERATOR))
    here.show()
    yield here
    here.close()


@pytest.fixture
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's runtime directory, with a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="kt-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)
