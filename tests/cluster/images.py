"""The images: built when something they are made of changed, loaded when the cluster lacks them."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from . import kafka_jars
from .cache import lock
from .errors import ClusterError
from .settings import CACHE, KAFKA_IMAGE, RECIPES, REPOSITORY, TARGETS, image_of

_INPUTS = ("Dockerfile", ".dockerignore", "README.md", "pyproject.toml", "uv.lock", "operator")
# What each image was built from.
_RECORD = CACHE / "images.json"


class Builder(Protocol):
    """What a provider does with images; `buildah` and `docker` are those there are."""

    def base(self) -> str: ...
    def build(
        self, dockerfile: Path, context: Path, image: str, target: str | None, arguments: Mapping[str, str]
    ) -> None: ...
    def load(self, image: str) -> None: ...
    def digest(self, image: str) -> str | None: ...
    def loaded(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class Image:
    """An image, and everything it is made of."""

    name: str
    dockerfile: Path
    context: Path
    inputs: tuple[Path, ...]
    target: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Build arguments beside BASE."""

    def build(self, builder: Builder) -> str | None:
        """Builds it; "cached" when it was built from the same."""
        base = builder.base()
        arguments = {"BASE": base, **self.arguments}
        key = f"{arguments} {digest_of(self.inputs)}"
        if builder.digest(self.name) and _built_from(self.name) == key:
            return "cached"
        builder.build(self.dockerfile, self.context, self.name, self.target, arguments)
        _record(self.name, key)
        return None

    def load(self, builder: Builder) -> str | None:
        """Brings what was built into the cluster; "cached" when it is there."""
        if builder.loaded().get(self.name) == builder.digest(self.name):
            return "cached"
        builder.load(self.name)
        return None


def of_target(target: str) -> Image:
    """One of the project's own images."""
    if target not in TARGETS:
        raise ClusterError(f"there is no image `{target}`", f"the images are: {', '.join(TARGETS)}")
    inputs = tuple(REPOSITORY / name for name in _INPUTS)
    return Image(image_of(target), REPOSITORY / "Dockerfile", REPOSITORY, inputs, target)


def of_kafka() -> Image:
    dockerfile, jars = RECIPES / "kafka" / "Dockerfile", kafka_jars.ENTRY.path
    return Image(KAFKA_IMAGE, dockerfile, jars, (dockerfile, kafka_jars.ENTRY.path / "libs"))


def of_user(dockerfile: Path, name: str, arguments: Mapping[str, str]) -> Image:
    """An image that a team builds on one of ours: everything beside its Dockerfile may be in it."""
    if not dockerfile.is_file():
        raise ClusterError(f"there is no file {dockerfile}")
    file = dockerfile.resolve()
    inputs = (file.parent, *(REPOSITORY / ours for ours in _INPUTS))
    return Image(name, file, file.parent, inputs, arguments=arguments)


def digest_of(paths: Iterable[Path]) -> str:
    """A hash of files and folders: their relative names, contents and executable bits."""
    found = hashlib.sha256()
    for path in paths:
        for file in _files(path):
            found.update(f"{file.relative_to(path.parent)} {os.access(file, os.X_OK)}\n".encode())
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(f for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts)


def _built_from(image: str) -> str | None:
    return _records().get(image)


def _records() -> dict[str, str]:
    return dict(json.loads(_RECORD.read_text())) if _RECORD.exists() else {}


def _record(image: str, key: str) -> None:
    with lock("images-record"):
        scratch = _RECORD.with_suffix(".new")
        scratch.write_text(json.dumps({**_records(), image: key}, indent=1))
        scratch.rename(_RECORD)
