"""The native provider: Kubernetes' own programs as processes of this machine."""

import json
import os
import shutil
from pathlib import Path

from . import containerd, kernel, leftovers, node, oci
from .cache import lock
from .control_plane import ControlPlaneSettings, start_api_server, start_controller_manager, start_kube_apiserver
from .errors import ClusterError
from .process import Daemon, Process
from .programs import PAUSE_PROGRAM
from .settings import (
    API_PORT,
    AUDIT_LOG,
    CGROUP,
    DNS_READY_PORT,
    ETCD_PEER_PORT,
    ETCD_PORT,
    KUBECONFIG,
    LOGS,
    NODE,
    NODE_ADDRESS,
    PAUSE_IMAGE,
    POD_NETWORK,
    RECIPES,
    STATE,
)
from .shell import run
from .waiting import answers_http, wait_until

_AUDIT_POLICY = RECIPES / "audit-policy.yaml"
# In the order in which they are stopped: first what would start containers again.
_DAEMONS = (
    "kubelet",
    "kube-proxy",
    "coredns",
    "kube-scheduler",
    "kube-controller-manager",
    "containerd",
    "kube-apiserver",
    "etcd",
)


def control_plane(*, audit: bool = False) -> ControlPlaneSettings:
    args = (f"--audit-policy-file={_AUDIT_POLICY}", f"--audit-log-path={AUDIT_LOG}") if audit else ()
    return ControlPlaneSettings(STATE, NODE_ADDRESS, API_PORT, ETCD_PORT, ETCD_PEER_PORT, args)


def up(*, audit: bool = False) -> str | None:
    """Brings the cluster up; says "running" when it was, and starts anew when it is half dead.

    With `audit` there is an audit log; a cluster that runs without it gets its API server restarted.
    """
    with lock("cluster"):
        if healthy():
            if not audit or AUDIT_LOG.exists():
                return "running"
            _restart_api_server(control_plane(audit=True))
            return None
        _remove()
        try:
            _start(control_plane(audit=audit))
        except BaseException:
            _keep_logs()
            raise
    return None


def _restart_api_server(settings: ControlPlaneSettings) -> None:
    Daemon("kube-apiserver", STATE).stop(seconds=20)
    start_kube_apiserver(settings)


def down() -> None:
    with lock("cluster"):
        _remove()


def healthy() -> bool:
    """Whether every process runs, the node is ready and DNS answers."""
    return all(Daemon(name, STATE).process() for name in _DAEMONS) and _node_is_ready() and _dns_is_ready()


def processes() -> dict[str, int | None]:
    """The process ids, None for those that do not run."""
    found = {name: Daemon(name, STATE).process() for name in _DAEMONS}
    return {name: process.pid if process else None for name, process in found.items()}


def _start(settings: ControlPlaneSettings) -> None:
    STATE.mkdir(parents=True, exist_ok=True)
    kernel.prepare()
    run(["ip", "addr", "add", f"{NODE_ADDRESS}/32", "dev", "lo"])
    _make_cgroups()
    node.start_containerd()
    start_api_server(settings)
    start_controller_manager(settings, "--allocate-node-cidrs=true", f"--cluster-cidr={POD_NETWORK}")
    node.start_scheduler(settings)
    node.start_dns(settings)
    _prepare_containerd()
    node.start_kubelet(settings)
    node.start_proxy(settings)
    wait_until(_node_is_ready, what=f"node {NODE} to be ready", seconds=90, advice=f"read the logs in {STATE}/log")
    wait_until(_dns_is_ready, what="CoreDNS", seconds=30, advice=f"read {STATE}/log/coredns.log")
    _default_service_account(settings)
    shutil.copyfile(settings.kubeconfig("admin", group="system:masters"), _kubeconfig())


def _kubeconfig() -> Path:
    KUBECONFIG.parent.mkdir(parents=True, exist_ok=True)
    KUBECONFIG.touch(mode=0o600)
    return KUBECONFIG


def _default_service_account(settings: ControlPlaneSettings) -> None:
    """Without it the first pods of a test are refused."""
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    wait_until(lambda: settings.client.exists(path), what="the default service account", seconds=30)


def _make_cgroups() -> None:
    """kubelet expects its root in every hierarchy; with cgroup v2 there is only one."""
    root = Path("/sys/fs/cgroup")
    hierarchies = (
        [root] if (root / "cgroup.controllers").exists() else [d for d in root.iterdir() if not d.is_symlink()]
    )
    for hierarchy in hierarchies:
        if (hierarchy / "cgroup.procs").exists():
            (hierarchy / CGROUP).mkdir(exist_ok=True)


def _prepare_containerd() -> None:
    daemon = Daemon("containerd", STATE)
    daemon.wait(containerd.answers, seconds=30)
    if containerd.containers():
        # Of a cluster whose processes were killed. containerd has read them, so it has to start again without them.
        containerd.remove_containers()
        daemon.stop()
        node.start_containerd().wait(containerd.answers, seconds=30)
    containerd.forget_replaced_images()
    if PAUSE_IMAGE not in containerd.images():
        archive = STATE / "pause.tar"
        oci.write_program_image(archive, PAUSE_IMAGE, PAUSE_PROGRAM.binary("pause"))
        containerd.import_archive(archive)


def _node_is_ready() -> bool:
    answer = control_plane().client.get(f"/api/v1/nodes/{NODE}")
    if answer is None:
        return False
    conditions = json.loads(answer)["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _dns_is_ready() -> bool:
    return answers_http(NODE_ADDRESS, DNS_READY_PORT, "/ready")


def _remove() -> None:
    if not leftovers.exist():
        return
    for name in _DAEMONS:
        if name == "containerd" and containerd.answers():
            containerd.remove_containers()
        Daemon(name, STATE).stop(seconds=5)
    kernel.restore()
    leftovers.remove(_DAEMONS)
    KUBECONFIG.unlink(missing_ok=True)


def _keep_logs() -> None:
    """The next attempt removes the state, so the logs of this one are put where they stay."""
    if (STATE / "log").is_dir():
        shutil.copytree(STATE / "log", LOGS / "failed-cluster", dirs_exist_ok=True)


def check_machine() -> None:
    """Refuses a machine that is a node of another cluster: its rules and ours have the same names."""
    if os.geteuid() != 0:
        raise ClusterError("the native cluster needs root")
    for process in Process.all():
        if process.program == "kubelet" and not process.mentions(STATE):
            raise ClusterError(f"a kubelet that is not ours runs here (process {process.pid})")
