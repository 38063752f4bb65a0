"""The pods as they run."""

import json
from typing import Any

import pytest

from tests.cluster.errors import ClusterError
from tests.support.triggers import RESTRICTED, Namespace, Trigger

LOOK = """
import json, os, pathlib
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
def writable(folder):
    try:
        pathlib.Path(folder, "x").write_text("x")
    except OSError:
        return False
    return True
print(json.dumps({
    "user": os.getuid(),
    "capabilities": [status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "new privileges": status["NoNewPrivs"].strip() == "0",
    "seccomp": status["Seccomp"].strip(),
    "writable": [folder for folder in ("/", "/app", "/usr", "/opt/kafkatrigger", "/etc/kafkatrigger") if writable(folder)],
    "token": os.path.exists("/var/run/secrets/kubernetes.io"),
    "configuration": os.path.exists("/etc/kafkatrigger/consumer.json"),
    "others": [pid for pid in os.listdir("/proc") if pid.isdigit() and _of_others(pid)],
}))
""".replace("_of_others(pid)", "os.stat('/proc/' + pid).st_uid != os.getuid()")
PRIVILEGED = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "privileged"},
    "spec": {"containers": [{"name": "x", "image": "x", "securityContext": {"privileged": True}}]},
}


def test_containers_can_do_no_more_than_they_need(namespace: Namespace) -> None:
    trigger = namespace.trigger().wait_ready()
    consumer, runtime = _seen(trigger, "consumer"), _seen(trigger, "runtime")
    assert len({consumer["user"], runtime["user"], 0}) == 3
    for each in (consumer, runtime):
        assert set(each["capabilities"]) == {"0000000000000000"}
        assert each["writable"] == []
        assert each["others"] == [], "processes of the other container are visible"
        assert not each["new privileges"]
        assert not each["token"]
        assert each["seccomp"] == "2"
    assert consumer["configuration"]
    assert not runtime["configuration"]


def test_the_namespace_admits_nothing_else(namespace: Namespace) -> None:
    labels = namespace.api.call("GET", f"/api/v1/namespaces/{namespace.name}")["metadata"]["labels"]
    name, _, value = RESTRICTED.partition("=")
    assert labels[name] == value
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        namespace.apply(PRIVILEGED)


def _seen(trigger: Trigger, container: str) -> Any:
    (pod,) = trigger.pod_names()
    return json.loads(trigger.kubectl("exec", pod, f"--container={container}", "--", "python", "-c", LOOK))
