"""The kind provider, for machines with a Docker engine: create, load images, delete; nothing else differs."""

import json
import shutil
from pathlib import Path

from .cache import lock
from .errors import ClusterError
from .programs import KIND_PROGRAM
from .settings import CACHE, KAFKA_NODE_PORT, KIND_NODE_IMAGE, KUBECONFIG, NAME
from .shell import run, succeeds

HOST_ADDRESS = "127.0.0.1"


def usable() -> bool:
    """Whether a Docker engine answers, and the node image is there or can be had."""
    if not shutil.which("docker") or not succeeds(["docker", "info"]):
        return False
    if _exists():
        return True
    return succeeds(["docker", "image", "inspect", KIND_NODE_IMAGE]) or succeeds(["docker", "pull", KIND_NODE_IMAGE])


def node() -> str:
    """The name of the container that is the node."""
    return f"{NAME}-control-plane"


def up() -> str | None:
    with lock("cluster"):
        if healthy():
            _kind("export", "kubeconfig", f"--kubeconfig={KUBECONFIG}")
            return "running"
        if _exists():
            _delete()
        config = CACHE / "kind.json"
        config.write_text(json.dumps(_config()))
        options = (f"--image={KIND_NODE_IMAGE}", f"--config={config}", "--wait=120s", f"--kubeconfig={KUBECONFIG}")
        _kind("create", "cluster", *options)
    return None


def healthy() -> bool:
    return succeeds(["docker", "exec", node(), "crictl", "info"])


def down() -> None:
    if not _exists():
        return
    with lock("cluster"):
        _delete()
        KUBECONFIG.unlink(missing_ok=True)


def load_image(image: str) -> None:
    _kind("load", "docker-image", image)


def _exists() -> bool:
    return shutil.which("docker") is not None and succeeds(["docker", "container", "inspect", node()])


def _delete() -> None:
    _kind("delete", "cluster", f"--kubeconfig={KUBECONFIG}")


def _kind(*args: str) -> None:
    run([_program(), *args, f"--name={NAME}"])


def _program() -> str | Path:
    if not KIND_PROGRAM.entry.exists():
        raise ClusterError("kind is not built", "run `python3 -m tests.cluster tools`")
    return KIND_PROGRAM.binary("kind")


def _config() -> dict[str, object]:
    port = {"containerPort": KAFKA_NODE_PORT, "hostPort": KAFKA_NODE_PORT, "listenAddress": HOST_ADDRESS}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": "control-plane", "extraPortMappings": [port]}],
    }
