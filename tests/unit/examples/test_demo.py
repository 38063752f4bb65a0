"""What `make demo` does where no cluster can run."""

import pytest

from examples.rul import demo, demo_local
from tests.cluster import provider
from tests.cluster.errors import UnsupportedMachineError


def test_where_no_cluster_can_run_the_local_demo_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise UnsupportedMachineError("no cluster can run on this machine: it is a toaster")

    monkeypatch.setattr(provider, "choose", refuse)
    monkeypatch.setattr(demo_local, "main", lambda: 42)
    assert demo.main() == 42
    shown = capsys.readouterr().out
    assert "it is a toaster" in shown
    assert "make demo-local" in shown


def test_the_local_demo_answers_every_message(capfd: pytest.CaptureFixture[str]) -> None:
    assert demo_local.main() == 0
    assert "60 messages in, 60 responses out, " in capfd.readouterr().out
