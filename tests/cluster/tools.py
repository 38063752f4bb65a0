"""Where the programs are that were built for the cluster."""

from dataclasses import dataclass
from pathlib import Path

from .errors import ClusterError
from .programs import HELM_PROGRAM, KUBERNETES_PROGRAMS


@dataclass(frozen=True)
class Tools:
    """Paths of the programs that tests and the Makefile call, instead of whatever the machine has."""

    kubectl: Path
    helm: Path
    kube_apiserver: Path
    kube_controller_manager: Path


def tools() -> Tools:
    """The built programs; raises `ClusterError` when they were not built yet."""
    if not (KUBERNETES_PROGRAMS.entry.exists() and HELM_PROGRAM.entry.exists()):
        raise ClusterError("the programs of the cluster are not built", "run `python3 -m tests.cluster tools`")
    return Tools(
        kubectl=KUBERNETES_PROGRAMS.binary("kubectl"),
        helm=HELM_PROGRAM.binary("helm"),
        kube_apiserver=KUBERNETES_PROGRAMS.binary("kube-apiserver"),
        kube_controller_manager=KUBERNETES_PROGRAMS.binary("kube-controller-manager"),
    )
