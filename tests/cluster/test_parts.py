"""The parts of the local cluster that could do harm or lie, without a cluster."""

import json
import os
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster import images, oci, scratch
from tests.cluster.errors import ClusterError
from tests.cluster.process import Daemon, Process
from tests.cluster.steps import Plan, Step
from tests.cluster.waiting import free_ports


def test_a_daemon_is_found_again_by_its_name_and_ended(tmp_path: Path) -> None:
    process = Daemon("sleeper", tmp_path).start(["sleep", "60"])
    assert Daemon("sleeper", tmp_path).process() == process
    Daemon("sleeper", tmp_path).stop()
    assert not process.runs()
    assert Daemon("sleeper", tmp_path).process() is None


@pytest.mark.parametrize("lie", [{"started": 1}, {"command": ["sleep", "61"]}])
def test_a_process_that_got_the_id_of_another_is_never_signalled(tmp_path: Path, lie: dict[str, object]) -> None:
    daemon = Daemon("sleeper", tmp_path)
    process = daemon.start(["sleep", "60"])
    replace(process, **lie).kill()  # type: ignore[arg-type]
    time.sleep(0.1)
    assert process.runs()
    daemon.kill()


def test_a_daemon_that_ends_at_once_says_what_it_said(tmp_path: Path) -> None:
    daemon = Daemon("failing", tmp_path)
    with pytest.raises(ClusterError, match="no such config"):
        _start_and_wait(daemon)


def _start_and_wait(daemon: Daemon) -> None:
    daemon.start(["sh", "-c", "sleep 0.2; echo no such config; exit 1"])
    daemon.wait(lambda: False, seconds=10)


def test_what_a_killed_test_left_is_ended_by_the_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = scratch.new_folder("abandoned")
    left = Daemon("sleeper", folder).start(["sleep", "60"])
    owner = json.loads((folder / "owner.json").read_text())
    (folder / "owner.json").write_text(json.dumps({**owner, "started": 1}))
    scratch.new_folder("next")
    assert not left.runs()
    assert not folder.exists()


def test_the_own_process_is_found() -> None:
    found = Process.of(os.getpid())
    assert found is not None
    assert found.runs()


def test_steps_wait_for_what_they_need_and_not_for_what_is_not_planned() -> None:
    done: list[str] = []
    steps = [Step(name, name, lambda n=name: done.append(n), needs) for name, needs in _NEEDS.items()]  # type: ignore[misc]
    Plan(steps).run()
    assert done.index("tools") < done.index("cluster") < done.index("kafka")


_NEEDS: dict[str, tuple[str, ...]] = {"kafka": ("cluster",), "cluster": ("tools",), "tools": ("elsewhere",)}


def test_nothing_starts_after_a_step_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ClusterError("no mirror")

    done: list[str] = []
    with pytest.raises(ClusterError, match="no mirror"):
        Plan([Step("a", "first", fail), Step("b", "second", lambda: done.append("b"), ("a",))]).run()
    assert done == []
    assert "[1/2] first ... failed" in capsys.readouterr().out


def test_an_archive_leaves_out_what_the_receiver_has(tmp_path: Path) -> None:
    layout = _layout(tmp_path)
    manifest = layout.manifest("localhost/x:dev")
    assert manifest is not None
    known = layout.blobs(manifest)[2]
    layout.write_archive(tmp_path / "image.tar", "localhost/x:dev", {known})
    with tarfile.open(tmp_path / "image.tar") as archive:
        names = archive.getnames()
    assert f"blobs/{known.replace(':', '/')}" not in names
    assert sum(name.startswith("blobs/") for name in names) == 2


def test_a_replaced_image_is_removed_and_the_other_stays(tmp_path: Path) -> None:
    layout = _layout(tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    stray = tmp_path / "blobs" / "sha256" / "0123"
    stray.write_text("of an image that was replaced")
    (tmp_path / "index.json").write_text(
        json.dumps({**index, "manifests": [*index["manifests"], {"digest": "sha256:0123"}]})
    )
    layout.prune()
    manifest = layout.manifest("localhost/x:dev")
    assert manifest is not None
    assert all(layout.blob(digest).exists() for digest in layout.blobs(manifest))
    assert not stray.exists()


def _layout(folder: Path) -> oci.Layout:
    """A layout with one image, as skopeo writes it."""
    program = folder / "program"
    program.write_text("x")
    oci.write_program_image(folder / "program.tar", "localhost/x:dev", program)
    with tarfile.open(folder / "program.tar") as archive:
        archive.extractall(folder, filter="data")
    index = json.loads((folder / "index.json").read_text())
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "localhost/x:dev"}
    (folder / "index.json").write_text(json.dumps(index))
    return oci.Layout(folder)


def test_inputs_differ_when_a_content_or_a_name_differs(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    before = images.digest_of([tmp_path])
    (tmp_path / "a.py").write_text("2")
    changed = images.digest_of([tmp_path])
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({before, changed, images.digest_of([tmp_path])}) == 3


def test_compiled_files_are_no_inputs(tmp_path: Path) -> None:
    before = images.digest_of([tmp_path])
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("1")
    assert images.digest_of([tmp_path]) == before


def test_ports_are_not_those_of_outgoing_connections() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert max(ports) < first
