"""`kafkatrigger describe`, through kubectl and on this machine."""

import json
from pathlib import Path

from kafkatrigger.api.pod_status import FailedMessage, PartitionStatus, PodStatus
from kafkatrigger.cli.local import new_run
from tests.integration.cli.places import Cluster, Engine
from tests.integration.cli.test_blocked import called

STATUS = PodStatus(
    "plant-7/rul",
    True,
    "Consuming",
    "consuming 1 partitions",
    "plant-7.rul",
    [PartitionStatus("orders", 3, 41, 41, 9, "Replay:one", end=50, blocked_keys=2)],
    group_protocol="Consumer",
    in_flight=7,
    blocked_keys=2,
    last_failures=[FailedMessage("orders", 3, 41, "FunctionFailed", "ValueError", 5, True, 86_400_000)],
)
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Consuming",
    "message": "all is well",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


def test_a_trigger_on_a_cluster(cluster: Cluster) -> None:
    cluster.trigger(
        conditions=[READY],
        replay={"nonce": "one", "handledNonce": "one", "phase": "CatchingUp"},
        partitionTimestamps={"orders": {"3": 86_400_000}},
    )
    cluster.pod("one").status = STATUS
    result = called("describe", "rul", "-n", "plant-7")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["group", "plant-7.rul", "(Consumer)"] in lines
    assert ["replay", "one:", "CatchingUp"] in lines
    assert ["Ready", "True", "2026-01-01T00:00:00Z", "Consuming", "all", "is", "well"] in lines
    assert ["one", "True", "Consuming", "-", "-", "-", "7", "0", "2"] in lines
    assert ["orders/3", "one", "Replay:one", "41", "50", "9", "-", "-", "2", "1970-01-02T00:00:00Z"] in lines
    assert ["orders-3-41", "FunctionFailed", "ValueError", "5", "(last)", "1970-01-02T00:00:00Z", "one"] in lines
    found = json.loads(called("describe", "rul", "-o", "json").stdout)
    assert found["consumers"]["one"]["partitions"][0]["lag"] == 9
    assert found["replay"]["phase"] == "CatchingUp"
    assert found["consumers"]["one"]["lastFailures"][0]["errorClass"] == "ValueError"
    assert found["rates"]["one"]["donePerSecond"] is None


def test_a_trigger_without_pods(cluster: Cluster) -> None:
    cluster.trigger(conditions=[READY])
    result = called("describe", "rul")
    assert (result.exit_code, "all is well" in result.stdout) == (0, True)
    assert "no consumer pod" in result.stderr


def test_a_pod_that_cannot_be_asked(cluster: Cluster) -> None:
    cluster.trigger(conditions=[READY])
    cluster.pod("one").status = STATUS
    cluster.pod("two").status = STATUS
    cluster.refuse("two")
    result = called("describe", "rul")
    assert (result.exit_code, "orders/3" in result.stdout) == (3, True)


def test_a_run_on_this_machine(runtime_folder: Path) -> None:
    with new_run("default", "rul") as folder:
        engine = Engine(Path(folder) / "control.sock")
        engine.status = STATUS
        try:
            result = called("describe", "rul", "--local")
        finally:
            engine.close()
    assert result.exit_code == 0
    assert "orders/3" in result.stdout
    assert called("describe", "other", "--local").exit_code == 1
