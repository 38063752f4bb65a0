"""`kubectl kafkatrigger`, as people run it: the real kubectl finds the command beside it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.cluster.settings import KUBECONFIG
from tests.cluster.tools import tools


def kafkatrigger(namespace: str, *words: str) -> str:
    """What the command prints about a namespace of the cluster."""
    kubectl = tools().kubectl
    path = os.pathsep.join([str(kubectl.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [kubectl, "kafkatrigger", *words, f"--namespace={namespace}", f"--kubeconfig={KUBECONFIG}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
