"""Images and containers in the containerd of the native cluster."""

from pathlib import Path

from .settings import CONTAINERD_SOCKET
from .shell import output_of, run, succeeds

_CTR = ("ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io")


def answers() -> bool:
    return succeeds([*_CTR, "version"])


def images() -> dict[str, str]:
    """The digest of each image, by name."""
    lines = output_of([*_CTR, "images", "ls"]).splitlines()[1:]
    return {fields[0]: fields[2] for line in lines if len(fields := line.split()) > 2}


def blobs() -> set[str]:
    """The digests of the layers, configurations and manifests that are there."""
    return set(output_of([*_CTR, "content", "ls", "--quiet"]).split())


def import_archive(archive: Path) -> None:
    """Loads an OCI archive; blobs that containerd has need not be in it."""
    run([*_CTR, "images", "import", archive])


def containers() -> list[str]:
    return output_of([*_CTR, "containers", "ls", "--quiet"]).split()


def remove_containers() -> None:
    """Ends and forgets every container, and keeps the images."""
    for task in output_of([*_CTR, "tasks", "ls", "--quiet"]).split():
        succeeds([*_CTR, "tasks", "kill", "--signal", "SIGKILL", task])
        succeeds([*_CTR, "tasks", "delete", "--force", task])
    if left := containers():
        run([*_CTR, "containers", "rm", *left])


def forget_replaced_images() -> None:
    """Forgets images that lost their name to a newer one: nothing else does, as kubelet collects no images here."""
    found = images()
    named = {digest for name, digest in found.items() if not name.startswith("sha256:")}
    if replaced := [name for name, digest in found.items() if digest not in named]:
        run([*_CTR, "images", "rm", *replaced])
