"""`kafkatrigger top`, through kubectl, on this machine, and on a terminal."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kafkatrigger.api.configure import consumer_config
from kafkatrigger.api.control import Answer, Request
from kafkatrigger.api.pod_status import PartitionStatus, PodStatus
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.cli.local import new_run
from tests.integration.cli.places import Cluster, Engine
from tests.integration.cli.test_blocked import called

READY = {"type": "Ready", "status": "True", "reason": "Consuming", "message": "", "lastTransitionTime": "x"}
SPEC = {
    "kafka": {"bootstrapServers": ["nobody:9092"]},
    "source": {"topics": ["orders"]},
    "transformation": {"function": "none:none"},
}


def status(seconds: float = 0.0) -> PodStatus:
    """Of a pod that does 10 messages a second, of 30 that come."""
    at, end = round(1000 + 10 * seconds), round(2000 + 30 * seconds)
    held = PartitionStatus("orders", 0, at, at, end - at, "Committed", end=end, processed=at)
    return PodStatus(
        *("plant-7/rul", True, "Consuming", "", "g", [held]), outcomes={"succeeded": at}, clock=50 + seconds
    )


def flows(engine: Engine) -> None:
    """Between one look and the next two seconds pass for the pod."""
    answer, looks = engine._handle, iter(range(1000))

    def handle(request: Request) -> Answer:
        engine.status = status(2.0 * next(looks))
        return answer(request)

    engine._handle = handle  # type: ignore[method-assign]


def test_triggers_of_a_cluster(cluster: Cluster) -> None:
    cluster.trigger(conditions=[READY])
    flows(cluster.pod("one"))
    result = called("top", "--all-namespaces", "--once")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == [
        *("plant-7/rul", "True", "Consuming", "1/1", "30", "10", "0", "1040", "0", "0"),
    ]
    listed = [call for call in cluster.calls if call[:1] == ["get"]]
    assert all("--all-namespaces" in call for call in listed)
    assert all("--namespace=plant-7" in call for call in cluster.calls if "exec" in call)


def test_one_trigger(cluster: Cluster) -> None:
    cluster.trigger(conditions=[READY])
    flows(cluster.pod("one"))
    result = called("top", "rul", "-n", "plant-7")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["orders/0", "one", "30", "10", "1040", "0", "-", "0", "0"] in lines


def test_pods_that_cannot_be_asked(cluster: Cluster) -> None:
    cluster.trigger(conditions=[READY], lag=12)
    cluster.pod("one")
    cluster.waiting_pod("two")
    cluster.refuse("one")
    result = called("top", "--output", "json")
    found = json.loads(result.stdout)
    assert result.exit_code == 3
    assert [(each["pods"], each["answered"], each["lag"]) for each in found["triggers"]] == [(2, 0, 12)]
    assert found["problems"] == [
        "two: it does not run",
        "plant-7/one: error: unable to upgrade connection: Forbidden",
    ]


def test_a_name_is_in_one_namespace(cluster: Cluster) -> None:
    assert called("top", "rul", "-A").exit_code == 2


@pytest.fixture
def running(runtime_folder: Path) -> Iterator[None]:
    """A `kafkatrigger run` on this machine."""
    config = consumer_config("default", "rul", KafkaTriggerSpec.model_validate(SPEC))
    with new_run("default", "rul") as folder:
        Path(folder, "consumer.json").write_bytes(msgspec.json.encode(config))
        engine = Engine(Path(folder) / "control.sock")
        flows(engine)
        try:
            yield
        finally:
            engine.close()


@pytest.mark.parametrize("name", [(), ("rul",)])
def test_runs_on_this_machine(running: None, name: tuple[str, ...]) -> None:
    (found,) = json.loads(called("top", *name, "--local", "-o", "json").stdout)["triggers"]
    assert (found["namespace"], found["name"], found["ready"], found["lag"]) == ("default", "rul", "True", 1040)
    assert (found["arrivedPerSecond"], found["donePerSecond"]) == (30.0, 10.0)


def test_a_run_that_is_not_there(running: None) -> None:
    assert called("top", "other", "--local", "--once").exit_code == 1
    assert called("top", "--local", "--once", "-n", "elsewhere").stdout == "no triggers\n"


def test_a_terminal_shows_it_again_until_it_is_interrupted(running: None) -> None:
    master, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "operator"), "COLUMNS": "120"}
    command = [sys.executable, "-m", "kafkatrigger.cli", "top", "--local"]
    process = subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment | {"LINES": "20"})
    os.close(terminal)
    try:
        shown = b""
        while shown.count(b"default/rul") < 2:
            shown += os.read(master, 4096)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # nobody holds the other end any more
            while os.read(master, 4096):
                pass
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
    first, second = (line.split() for line in shown.decode().splitlines() if "default/rul" in line)
    assert (first[4:6], second[4:6]) == (["-", "-"], ["30", "10"])
