"""Where runs on this machine are found."""

import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kafkatrigger.api.configure import consumer_config
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.cli import run
from kafkatrigger.cli.local import FolderError, new_run, runs_of


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary directory, with a path that is short enough for sockets; and no runtime directory."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with tempfile.TemporaryDirectory(prefix="kt-") as folder:
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


def test_a_run_is_found_while_it_lasts(base: Path) -> None:
    assert runs_of("default", "rul") == []
    with new_run("default", "rul") as folder:
        assert runs_of("default", "rul") == [Path(folder)]
        assert runs_of("other", "rul") == runs_of("default", "rul2") == []
        assert all(not stat.S_IMODE(each.stat().st_mode) & 0o077 for each in base.iterdir())
    assert runs_of("default", "rul") == []


def test_a_folder_that_others_may_write_to_is_not_used(base: Path) -> None:
    with new_run("default", "rul"):
        (folder,) = base.iterdir()
        folder.chmod(0o777)
        assert runs_of("default", "rul") == []
    with pytest.raises(FolderError, match="0700"):
        new_run("default", "rul")


def test_a_link_is_not_followed(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (base / "theirs").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    (base / "kafkatrigger").symlink_to(base / "theirs")
    with pytest.raises(FolderError):
        new_run("default", "rul")


def test_a_path_too_long_for_a_socket_is_said(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = base / ("x" * 80)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    with pytest.raises(FolderError, match="shorter"):
        new_run("default", "rul")


def test_a_run_gives_its_consumer_a_control_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the configuration, where the commands look for both."""
    started: list[tuple[str, ...]] = []

    class Ended:
        def poll(self) -> int:
            return 0

        wait = poll

        def terminate(self) -> None:
            pass

    def start(_environment: object, *arguments: str) -> Ended:
        started.append(arguments)
        return Ended()

    monkeypatch.setattr(run, "_start", start)
    spec = {
        "kafka": {"bootstrapServers": ["b:1"]},
        "source": {"topics": ["t"]},
        "transformation": {"function": "module:function"},
    }
    config = consumer_config("default", "rul", KafkaTriggerSpec.model_validate(spec))
    assert run._supervise(config, 1, {}, 0) == 0
    consumer = started[1]
    control = Path(consumer[consumer.index("--control") + 1])
    assert (control.name, control.parent) == ("control.sock", Path(consumer[consumer.index("--config") + 1]).parent)
