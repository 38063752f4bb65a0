"""Calls the kubectl that was built for the cluster."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .settings import KUBECONFIG
from .shell import output_of, run, succeeds
from .tools import tools


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one kubeconfig; by default for the cluster of this package."""

    kubeconfig: Path = KUBECONFIG

    def command(self, *args: str | Path) -> list[str | Path]:
        return [tools().kubectl, f"--kubeconfig={self.kubeconfig}", *args]

    def __call__(self, *args: str | Path) -> str:
        """Its standard output; raises `ClusterError` with what it said when it fails."""
        return output_of(self.command(*args))

    def get(self, *args: str) -> dict[str, Any]:
        """`kubectl get ... -o json`."""
        found: dict[str, Any] = json.loads(self("get", *args, "--output=json"))
        return found

    def succeeds(self, *args: str | Path) -> bool:
        return succeeds(self.command(*args))

    def apply(self, manifest: str) -> None:
        """Server-side apply of YAML text; what it changed goes to the log."""
        run(self.command("apply", "--server-side", "--force-conflicts", "--filename=-"), stdin=manifest)
