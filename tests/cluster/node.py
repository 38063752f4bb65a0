"""The node of the native cluster: containerd, the pod network, kubelet, kube-proxy and DNS, as configuration and commands."""

import json
from pathlib import Path

from . import settings
from .control_plane import ControlPlaneSettings
from .process import Daemon
from .programs import COREDNS_PROGRAM, KUBERNETES_PROGRAMS
from .settings import CONTAINERD_ROOT, CONTAINERD_SOCKET, NODE, NODE_ADDRESS, POD_NETWORK, RUN, STATE

# Kept out of the state, because mounts and sockets below it have short lives.
_CONTAINERD_STATE = RUN / "containerd"
_CNI_CONFIG = STATE / "cni"

_CONTAINERD = f"""
version = 2
root = "{CONTAINERD_ROOT}"
state = "{_CONTAINERD_STATE}"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{STATE}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{settings.PAUSE_IMAGE}"
  # Without CAP_SYS_RESOURCE, as in many virtual machines, no sandbox starts otherwise.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{_CNI_CONFIG}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{RUN}/runc"
"""

_NETWORK = {
    "cniVersion": "1.0.0",
    "name": settings.NAME,
    "plugins": [
        {
            "type": "bridge",
            "bridge": settings.BRIDGE,
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": f"{STATE}/ipam",
                "ranges": [[{"subnet": settings.NODE_POD_NETWORK}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}

# Names outside the cluster do not exist, and are said not to: no answer would be tried again and again.
_CORE_FILE = """
.:53 {{
  bind {address}
  errors
  ready {address}:{ready_port}
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig}
  }}
  cache 5
  template IN ANY . {{
    rcode NXDOMAIN
  }}
}}
"""


def start_containerd() -> Daemon:
    _CNI_CONFIG.mkdir(parents=True, exist_ok=True)
    (_CNI_CONFIG / "10-pods.conflist").write_text(json.dumps(_NETWORK))
    config = STATE / "containerd.toml"
    config.write_text(_CONTAINERD)
    RUN.mkdir(parents=True, exist_ok=True)
    daemon = Daemon("containerd", STATE)
    daemon.start(["containerd", "--config", config])
    return daemon


def start_kubelet(control_plane: ControlPlaneSettings) -> None:
    config = STATE / "kubelet.json"
    config.write_text(json.dumps(_kubelet_config(control_plane)))
    kubeconfig = control_plane.kubeconfig(f"system:node:{NODE}", group="system:nodes")
    Daemon("kubelet", STATE).start(
        [
            KUBERNETES_PROGRAMS.binary("kubelet"),
            f"--config={config}",
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={NODE}",
            f"--root-dir={STATE}/kubelet",
            f"--node-ip={NODE_ADDRESS}",
        ]
    )


def _kubelet_config(control_plane: ControlPlaneSettings) -> dict[str, object]:
    authority = control_plane.authority
    serving = authority.server(NODE, [f"DNS:{NODE}", f"IP:{NODE_ADDRESS}"])
    resolver = STATE / "resolv.conf"
    resolver.write_text(f"nameserver {NODE_ADDRESS}\n")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority.pair.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        # A tree of our own: what runs below it is ours to end.
        "cgroupRoot": f"/{settings.CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "clusterDNS": [NODE_ADDRESS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "resolvConf": str(resolver),
        "podLogsDir": f"{STATE}/pod-logs",
        "volumePluginDir": f"{STATE}/volume-plugins",
        "maxPods": 110,
        # The disk is not the cluster's alone: others filling it must not end its pods, and an image that was
        # loaded by hand cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": dict.fromkeys(("nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%"),
    }


def start_proxy(control_plane: ControlPlaneSettings) -> None:
    Daemon("kube-proxy", STATE).start(
        [
            KUBERNETES_PROGRAMS.binary("kube-proxy"),
            f"--kubeconfig={control_plane.kubeconfig('system:kube-proxy')}",
            f"--hostname-override={NODE}",
            "--proxy-mode=iptables",
            f"--cluster-cidr={POD_NETWORK}",
            # 0 leaves the kernel's own limits alone, which may be read-only.
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
        ]
    )


def start_dns(control_plane: ControlPlaneSettings) -> None:
    core_file = STATE / "Corefile"
    kubeconfig: Path = control_plane.kubeconfig("admin", group="system:masters")
    core_file.write_text(
        _CORE_FILE.format(address=NODE_ADDRESS, ready_port=settings.DNS_READY_PORT, kubeconfig=kubeconfig)
    )
    Daemon("coredns", STATE).start([COREDNS_PROGRAM.binary("coredns"), "-conf", core_file])


def start_scheduler(control_plane: ControlPlaneSettings) -> None:
    config = control_plane.kubeconfig("system:kube-scheduler")
    Daemon("kube-scheduler", STATE).start(
        [
            KUBERNETES_PROGRAMS.binary("kube-scheduler"),
            *(f"--{use}={config}" for use in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")),
            "--leader-elect=false",
        ]
    )
