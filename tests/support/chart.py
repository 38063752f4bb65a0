"""The chart, rendered by the helm that was built for the cluster."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.settings import KUBERNETES
from tests.cluster.tools import tools
from tests.support.kubernetes import Body

CHART = Path(__file__).parents[2] / "charts" / "kafkatrigger"
RELEASE, NAMESPACE = "kt", "kafkatrigger-system"


class ChartRefusedError(Exception):
    """helm refused the values; carries what it said."""


def helm(*arguments: str | Path, stdin: str = "") -> str:
    """helm's output."""
    done = subprocess.run([tools().helm, *arguments], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChartRefusedError(done.stdout + done.stderr)
    return done.stdout


def rendered(values: dict[str, Any] | None = None, chart: Path = CHART) -> list[Body]:
    """The manifests of a release with these values."""
    version = f"--kube-version={KUBERNETES}"
    command = ("template", RELEASE, chart, f"--namespace={NAMESPACE}", version, "--values=-")
    return [each for each in yaml.safe_load_all(helm(*command, stdin=yaml.safe_dump(values or {}))) if each]


def only(manifests: list[Body], kind: str, suffix: str = "") -> Body:
    """The one manifest of a kind whose name ends so."""
    (found,) = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"].endswith(suffix)]
    return found
