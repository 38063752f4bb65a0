"""Where the programs are that were built, or downloaded, for the cluster and for tests."""

from pathlib import Path

from . import prometheus
from .errors import ClusterError
from .programs import HELM_PROGRAM, KUBERNETES_PROGRAMS, GoProgram


class Tools:
    """Paths of the programs that tests and the Makefile call, instead of whatever the machine has.

    Each raises `ClusterError` when it was not built yet; the cluster starts while helm is still being built.
    """

    @property
    def kubectl(self) -> Path:
        return _built(KUBERNETES_PROGRAMS, "kubectl")

    @property
    def helm(self) -> Path:
        return _built(HELM_PROGRAM, "helm")

    @property
    def kube_apiserver(self) -> Path:
        return _built(KUBERNETES_PROGRAMS, "kube-apiserver")

    @property
    def kube_controller_manager(self) -> Path:
        return _built(KUBERNETES_PROGRAMS, "kube-controller-manager")

    @property
    def prometheus(self) -> Path:
        return prometheus.program("prometheus")

    @property
    def promtool(self) -> Path:
        return prometheus.program("promtool")


def _built(program: GoProgram, name: str) -> Path:
    if not program.entry.exists():
        raise ClusterError(f"{name} is not built", "run `python3 -m tests.cluster tools`")
    return program.binary(name)


def tools() -> Tools:
    """The programs."""
    return Tools()
