"""Kills the operator of a release. Its containers have to run on this machine, and that takes root."""

import os
import signal
from typing import NamedTuple

from tests.cluster.settings import KUBECONFIG
from tests.support import processes
from tests.support.kubernetes import PODS, Api, RefusedError
from tests.support.release import Release


class Life(NamedTuple):
    """One operator, from its start to its end."""

    pod: str
    process: int
    """Its number on this machine."""


class Killer:
    """Kills whatever operator there is."""

    def __init__(self, release: Release) -> None:
        self._api, self._pods = Api(KUBECONFIG), PODS.format(release.namespace)
        self._selector = f"app.kubernetes.io/instance={release.name},app.kubernetes.io/component=operator"
        self._known: Life | None = None

    def kill(self) -> bool:
        """Whether there was one.

        SIGKILL, so nothing is finished; then the pod goes, because in the same one the kubelet would wait longer after each
        kill. The next one comes at once.
        """
        if not (life := self._life()):
            return False
        os.kill(life.process, signal.SIGKILL)
        self._api.call("DELETE", f"{self._pods}/{life.pod}", {"gracePeriodSeconds": 0})
        self._known = None
        return True

    def is_at_work(self) -> bool:
        """Whether there is an operator that has seen all there is, and acts."""
        if not (life := self._life()):
            return False
        try:
            self._api.call("GET", f"{self._pods}/{life.pod}:8080/proxy/healthz")
        except RefusedError:
            return False
        return True

    def _life(self) -> Life | None:
        """Remembered, so that a kill need not search for it."""
        if self._known is None:
            pods = self._api.items(f"{self._pods}?labelSelector={self._selector}")
            names = {pod["metadata"]["name"] for pod in pods}
            self._known = next((Life(name, process) for process, name in processes.of_pods() if name in names), None)
        return self._known
