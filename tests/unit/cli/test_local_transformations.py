"""The Transformations of a run on one machine."""

import json
import os
from pathlib import Path

import pytest

from kafkatrigger.cli.local_transformations import LocalTransformations
from kafkatrigger.cli.manifest import ManifestError
from kafkatrigger.runtime.transformations.problems import TransformationError


def manifest(name: str, id_: str = "", more: str = "") -> str:
    return f"""
apiVersion: kafkatrigger.dev/v1alpha1
kind: Transformation
metadata: {{name: {name}, labels: {{team: on}}}}
spec:
  id: {id_ or name}
  revisionGroupId: g
  name: {name}
  versionTag: 1.0.0
  component: {{code: ""}}
{more}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A trigger's file with a Transformation in it, in a folder with another."""
    (tmp_path / "other.yml").write_text(manifest("other"))
    (tmp_path / "notes.txt").write_text("{")
    trigger = tmp_path / "trigger.yaml"
    trigger.write_text("kind: KafkaTrigger\n---\n" + manifest("own"))
    return trigger


def names(there: LocalTransformations) -> list[str] | None:
    return sorted(each["metadata"]["name"] for each in json.loads(there.json)["items"]) if there.look() else None


def test_those_of_the_file_and_of_its_folder_are_there(file: Path) -> None:
    there = LocalTransformations(file, file.parent)
    assert there.look()
    (own, other) = sorted(json.loads(there.json)["items"], key=lambda each: str(each["metadata"]["name"]))[::-1]
    assert (own["metadata"], own["spec"]["versionTag"]) == ({"name": "own", "labels": {"team": "on"}}, "1.0.0")
    assert other["spec"]["name"] == "other"


def test_another_folder_is_instead_of_that_of_the_file(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "there.yaml").write_text(manifest("there"))
    assert names(LocalTransformations(file, folder)) == ["own", "there"]


def test_what_is_edited_is_news_once(file: Path) -> None:
    there = LocalTransformations(file, file.parent)
    assert names(there) == ["other", "own"]
    assert names(there) is None
    (file.parent / "more.yaml").write_text(manifest("more"))
    assert names(there) == ["more", "other", "own"]
    (file.parent / "more.yaml").unlink()
    assert names(there) == ["other", "own"]
    os.utime(file, ns=(1, 1))
    assert names(there) == ["other", "own"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "is not YAML"),
        (manifest("own", "x"), "of the same name, own"),
        (manifest("x", "own"), "of the same id, own"),
        (manifest("x", more="  surplus: 1"), "surplus"),
        (manifest("x").replace("name: x,", ""), "metadata.name"),
    ],
)
def test_what_cannot_be_read_is_told_once_for_each_change(file: Path, text: str, says: str) -> None:
    there = LocalTransformations(file, file.parent)
    there.look()
    (file.parent / "wrong.yaml").write_text(text)
    with pytest.raises((ManifestError, TransformationError), match=says):
        there.look()
    assert not there.look()
