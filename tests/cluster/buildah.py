"""Builds images without a Docker engine, in a store of our own, and loads them into the native cluster."""

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from . import base_image, containerd, host_settings
from .cache import lock
from .oci import Layout
from .settings import BASE_IMAGE, CACHE
from .shell import output_of, run, succeeds

STORE = CACHE / "containers"
# Run state that only lives while a build does; below /run because its locks must not survive a boot.
_RUN_ROOT = Path("/run/kafkatrigger-buildah")
_LAYOUT = Layout(CACHE / "images")
_SCRATCH = CACHE / "tmp"
_BUILDAH: tuple[str | Path, ...] = ("buildah", "--root", STORE, "--runroot", _RUN_ROOT, "--storage-driver", "overlay")
# Cache mounts of Dockerfiles are kept below TMPDIR.
_ENVIRONMENT = {"TMPDIR": str(_SCRATCH)}
# With intermediate ones, which are the cache; a build of everything has about 50.
_IMAGES_KEPT = 200
_ADVICE = "read the log; `python3 -m tests.cluster clean` starts from nothing"


def base() -> str:
    """The name of the base image, which is made when it is missing."""
    base_image.ensure()
    name = f"{BASE_IMAGE}-{base_image.ENTRY.path.name.rpartition('-')[2]}"
    with lock("images"):
        if not exists(name):
            _import_root(base_image.ARCHIVE, name)
    return name


def _import_root(archive: Path, name: str) -> None:
    container = "python-base"
    succeeds([*_BUILDAH, "rm", container])
    run([*_BUILDAH, "from", "--name", container, "scratch"])
    run([*_BUILDAH, "add", "--quiet", container, archive, "/"])
    run([*_BUILDAH, "config", "--cmd", "python3", "--env", "LANG=C.UTF-8", container])
    run([*_BUILDAH, "commit", "--quiet", "--rm", container, name])


def exists(image: str) -> bool:
    return succeeds([*_BUILDAH, "inspect", "--type", "image", image])


def build(dockerfile: Path, context: Path, image: str, target: str | None, arguments: Mapping[str, str]) -> None:
    """Builds one image; layers whose inputs are unchanged are taken from the store."""
    volumes = [f"--volume={source}:{place}:ro" for source, place in host_settings.mounts().items()]
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    options = [*given, f"--tag={image}", *([f"--target={target}"] if target else [])]
    command = [*_BUILDAH, "build", "--isolation=chroot", "--layers", "--pull-never", *volumes, *options]
    _SCRATCH.mkdir(parents=True, exist_ok=True)
    with lock("images"):
        try:
            run([*command, "--file", dockerfile, context], env=_ENVIRONMENT, advice=_ADVICE)
        finally:
            # Stages that were mounted stay mounted otherwise.
            succeeds([*_BUILDAH, "rm", "--all"])
            _forget_old_layers()
        _copy_to_layout(image)


def _forget_old_layers() -> None:
    """Every change of the source leaves a few layers behind, and a change of the lock file large ones."""
    if len(output_of([*_BUILDAH, "images", "--all", "--quiet"]).split()) > _IMAGES_KEPT:
        run([*_BUILDAH, "rmi", "--prune"])


def _copy_to_layout(image: str) -> None:
    source = f"containers-storage:[overlay@{STORE}+{_RUN_ROOT}]{image}"
    # Compressing layers for a copy on the same machine would be most of the time.
    copy = ("skopeo", "copy", "--quiet", "--insecure-policy", "--dest-oci-accept-uncompressed-layers")
    with _layout_lock():
        run([*copy, source, f"oci:{_LAYOUT.folder}:{image}"], env=_ENVIRONMENT)
        _LAYOUT.prune()


def _layout_lock() -> contextlib.AbstractContextManager[None]:
    """Held for moments only, so that loading an image need not wait for the build of another."""
    return lock("images-layout")


def digest(image: str) -> str | None:
    """The digest of an image that was built, as containerd names it; None when it has to be built."""
    with _layout_lock():
        manifest = _LAYOUT.manifest(image)
    return manifest["digest"] if manifest else None


def load(image: str) -> None:
    """Brings an image into the cluster: only those layers move that it does not have."""
    with _layout_lock(), tempfile.TemporaryDirectory(dir=_SCRATCH) as scratch:
        archive = Path(scratch) / "image.tar"
        _LAYOUT.write_archive(archive, image, containerd.blobs())
        containerd.import_archive(archive)


def loaded() -> dict[str, str]:
    """Images of the cluster and their digests."""
    return containerd.images()


def release() -> None:
    """Takes down the mounts of the store, also those that a killed build left behind; the images stay."""
    with lock("images"):
        if STORE.exists():
            succeeds([*_BUILDAH, "rm", "--all"])
        points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for point in sorted((point for point in points if point.startswith(f"{STORE}/")), reverse=True):
            succeeds(["umount", "--lazy", point])
        shutil.rmtree(_RUN_ROOT, ignore_errors=True)
