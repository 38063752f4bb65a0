"""Writes OCI archives: the pause image, and images of a layout folder without the layers that the receiver has."""

import io
import json
import os
import tarfile
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_NAME = "org.opencontainers.image.ref.name"
_LAYER = "application/vnd.oci.image.layer.v1.tar"

Descriptor = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """A folder with the layout of the OCI image specification, as `buildah push oci:` writes it."""

    folder: Path

    def manifest(self, image: str) -> Descriptor | None:
        """The descriptor of an image's manifest."""
        return self._named().get(image)

    def _named(self) -> dict[str, Descriptor]:
        """The manifests by image; one that was replaced stays in the index without a name."""
        index = self.folder / "index.json"
        manifests = json.loads(index.read_text())["manifests"] if index.exists() else []
        return {name: m for m in manifests if (name := m.get("annotations", {}).get(_NAME))}

    def blobs(self, manifest: Descriptor) -> list[str]:
        """The digests of everything that an image consists of: manifest, configuration, layers."""
        content = json.loads(self.blob(manifest["digest"]).read_text())
        return [manifest["digest"], content["config"]["digest"], *(layer["digest"] for layer in content["layers"])]

    def blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest.replace(":", "/")

    def prune(self) -> None:
        """Removes replaced images, and the blobs that no other needs."""
        index = self.folder / "index.json"
        named = list(self._named().values())
        index.write_bytes(_json({**json.loads(index.read_text()), "manifests": named}))
        needed = {digest for manifest in named for digest in self.blobs(manifest)}
        for blob in (self.folder / "blobs" / "sha256").iterdir():
            if f"sha256:{blob.name}" not in needed:
                blob.unlink()

    def write_archive(self, archive: Path, image: str, known: Collection[str]) -> None:
        """An archive of one image, without the blobs that are `known` to the receiver."""
        manifest = self.manifest(image)
        if manifest is None:
            raise KeyError(image)
        with tarfile.open(archive, "w") as tar:
            for digest in dict.fromkeys(self.blobs(manifest)):
                if digest not in known:
                    tar.add(self.blob(digest), f"blobs/{digest.replace(':', '/')}")
            _add_index(tar, image, {key: manifest[key] for key in ("mediaType", "digest", "size")})


def write_program_image(archive: Path, image: str, program: Path) -> None:
    """An archive of an image that holds one statically linked program."""
    layer = _layer_of(program)
    config = _json(
        {
            "architecture": _architecture(),
            "os": "linux",
            "config": {"Entrypoint": [f"/{program.name}"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, config),
            "layers": [_descriptor(_LAYER, layer)],
        }
    )
    with tarfile.open(archive, "w") as tar:
        for blob in (layer, config, manifest):
            _add_file(tar, f"blobs/{_digest(blob).replace(':', '/')}", blob)
        _add_index(tar, image, _descriptor(_MANIFEST, manifest))


def _add_index(tar: tarfile.TarFile, image: str, manifest: Descriptor) -> None:
    # This annotation is how containerd learns the name; without it the import ends well and no image appears.
    named = {**manifest, "annotations": {"io.containerd.image.name": image}}
    _add_file(tar, "index.json", _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [named]}))
    _add_file(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))


def _layer_of(program: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add_file(tar, program.name, program.read_bytes(), mode=0o755)
    return buffer.getvalue()


def _add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))


def _descriptor(media_type: str, content: bytes) -> Descriptor:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
