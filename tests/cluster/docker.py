"""Builds images with a Docker engine and loads them into the kind cluster."""

import json
from collections.abc import Mapping
from pathlib import Path

from .errors import ClusterError
from .kind import load_image, node
from .settings import PUBLIC_BASE_IMAGE
from .shell import Command, output_of, run


def base() -> str:
    return PUBLIC_BASE_IMAGE


def build(dockerfile: Path, context: Path, image: str, target: str | None, arguments: Mapping[str, str]) -> None:
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    options = [*given, f"--tag={image}", *([f"--target={target}"] if target else [])]
    run(["docker", "build", *options, "--file", dockerfile, context], env={"DOCKER_BUILDKIT": "1"})


def load(image: str) -> None:
    load_image(image)


def digest(image: str) -> str | None:
    return _answer(["docker", "image", "inspect", "--format={{.Id}}", image]) or None


def loaded() -> dict[str, str]:
    answer = _answer(["docker", "exec", node(), "crictl", "images", "--output=json"])
    found = json.loads(answer)["images"] if answer else []
    return {name: image["id"] for image in found for name in image.get("repoTags", [])}


def _answer(command: Command) -> str:
    try:
        return output_of(command).strip()
    except ClusterError:
        return ""
