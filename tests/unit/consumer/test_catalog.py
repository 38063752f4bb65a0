"""What a runtime has to know of the Transformations that there are."""

import time
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest

from kafkatrigger.api.frames import Revisions
from kafkatrigger.api.transforming import Transforming
from kafkatrigger.consumer import catalog, catalog_file
from kafkatrigger.consumer.catalog import Assignment, Listing, Manifest, UnresolvedError, changes, offer, resolve
from kafkatrigger.consumer.catalog_file import FileCatalog

STREAM = Transforming(mode="Stream", ref="whole")
REQUESTS = Transforming(mode="Execute", selector={"requestable": "true"})


def manifest(name: str, *parts: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """With an id of its name, made of those with these ids."""
    operators = [{"id": f"o{number}", "name": "o", "transformationId": part} for number, part in enumerate(parts)]
    kind = {"workflow": {"operators": operators}} if parts else {"component": {"code": ""}}
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"id": name, "versionTag": "1", **kind, **spec},
    }


def listing(*manifests: dict[str, Any]) -> Listing:
    listed = (msgspec.json.decode(msgspec.json.encode(each), type=Manifest).listed() for each in manifests)
    return {each.name: each for each in listed}


def ids(revisions: list[bytes]) -> list[str]:
    return [msgspec.json.decode(each)["id"] for each in revisions]


class Given:
    """A catalog that knows what a test says."""

    problem = "nobody said anything"

    def __init__(self) -> None:
        self.now: Listing | None = None

    def listing(self) -> Listing | None:
        return self.now


def test_a_stream_needs_what_its_transformation_is_made_of_and_nothing_else() -> None:
    there = listing(
        manifest("other"), manifest("whole", "b", "a"), manifest("a", "c"), manifest("b", "c"), manifest("c")
    )
    found = ids(resolve(STREAM, there))
    assert (found[0], sorted(found)) == ("whole", ["a", "b", "c", "whole"])


def test_a_workflow_that_is_made_of_itself_is_for_the_runtime_to_refuse() -> None:
    assert ids(resolve(STREAM, listing(manifest("whole", "whole")))) == ["whole"]


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ([manifest("a")], ["no Transformation whole", "spec.transformation.ref.name"]),
        ([manifest("whole", versionTag="2")], ["whole has the version tag 2", "wants 1"]),
        ([manifest("whole", "a"), manifest("a", "gone")], ["Transformation a is made of", "gone", "create it"]),
        ([manifest("whole", "a"), manifest("a"), manifest("b", id="a")], ["a and b have the same id a"]),
    ],
)
def test_what_is_missing_is_named(there: list[dict[str, Any]], says: list[str]) -> None:
    with pytest.raises(UnresolvedError) as raised:
        resolve(Transforming(mode="Stream", ref="whole", version_tag="1"), listing(*there))
    assert [word for word in says if word not in str(raised.value)] == []


def test_all_are_offered_and_only_those_with_the_labels_may_be_requested() -> None:
    labels = {"requestable": "true", "more": "x"}
    there = listing(
        manifest("b", labels=labels), manifest("a"), manifest("z", id="a", labels=labels), manifest("odd", id=5)
    )
    found = offer(REQUESTS, there)
    assert {id_: may for id_, (may, _) in found.items()} == {"a": False, "b": True}


def test_changes_come_in_frames_of_a_bounded_size() -> None:
    large = "x" * 700_000
    before = offer(REQUESTS, listing(manifest("gone"), manifest("same"), manifest("other")))
    there = [manifest("same"), manifest("other", labels={"requestable": "true"}), manifest("l1", description=large)]
    frames = changes(before, offer(REQUESTS, listing(*there, manifest("l2", description=large))))
    assert [len(frame.put) for frame in frames] == [1, 2]
    assert [removed for frame in frames for removed in frame.removed] == ["gone"]
    assert changes(before, before) == []


def test_a_stream_begins_when_its_transformation_is_there_and_anew_when_that_changes() -> None:
    given = Given()
    assignment = Assignment(STREAM, given)
    assert (assignment.look(), assignment.is_known, assignment.problem) == (None, False, "nobody said anything")
    given.now = listing(manifest("whole", "a"))
    assert (assignment.look(), assignment.is_known, "create it" in assignment.problem) == (None, False, True)
    given.now = listing(manifest("whole", "a"), manifest("a"))
    assert (assignment.look(), assignment.is_known, assignment.problem) == ([], True, "")
    assert ids(assignment.revisions) == ["whole", "a"]
    given.now = listing(manifest("whole", "a"), manifest("a"), manifest("other"))
    assert assignment.look() is None
    given.now = listing(manifest("whole", "a"), manifest("a", description="new"))
    assert assignment.look() == []


def test_what_runs_goes_on_when_it_is_not_there_any_more() -> None:
    given = Given()
    assignment = Assignment(STREAM, given)
    given.now = listing(manifest("whole"))
    assignment.look()
    given.now = listing()
    assert (assignment.look(), assignment.is_known, ids(assignment.revisions)) == (None, True, ["whole"])
    assert "no Transformation whole" in assignment.problem


def test_workers_of_requests_are_told_what_changes_and_new_ones_all() -> None:
    given = Given()
    assignment = Assignment(REQUESTS, given)
    assert (assignment.look(), assignment.is_known) == (None, False)
    given.now = listing(manifest("a"), manifest("b"))
    assignment.look()
    assert (assignment.is_known, assignment.look(), assignment.revisions) == (True, None, [])
    given.now = listing(manifest("a"))
    assert assignment.look() == [Revisions([], ["b"])]
    assert [len(frame.put) for frame in assignment.all()] == [1]


def test_a_namespace_without_transformations_is_known_as_well() -> None:
    given = Given()
    given.now = {}
    assignment = Assignment(REQUESTS, given)
    assert (assignment.look(), assignment.is_known, assignment.all()) == (None, True, [])


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(catalog_file, "INTERVAL", 0.0)
    return tmp_path / "transformations.json"


def put(path: Path, *manifests: Any) -> None:
    """In one step, as the command does."""
    scratch = path.with_suffix(f".{time.monotonic_ns()}")
    scratch.write_bytes(msgspec.json.encode({"items": manifests}))
    scratch.replace(path)


def test_a_file_is_read_again_when_it_changes(file: Path) -> None:
    there = FileCatalog(file)
    assert (there.listing(), "cannot be read" in there.problem) == (None, True)
    put(file, manifest("a"))
    first = there.listing()
    assert first is not None
    assert (list(first), there.listing() is first) == (["a"], True)
    put(file, manifest("a"), manifest("b"))
    assert list(there.listing() or ()) == ["a", "b"]


def test_a_file_that_cannot_be_read_takes_nothing_away(file: Path) -> None:
    there = FileCatalog(file)
    put(file, manifest("a"))
    first = there.listing()
    file.write_text("{")
    assert (there.listing() is first, "cannot be read" in there.problem) == (True, True)


def test_more_than_there_is_memory_for_is_not_taken(file: Path) -> None:
    put(file, manifest("a", description="x" * 2000))
    with mock.patch.object(catalog, "MOST_BYTES", 1000):
        there = FileCatalog(file)
        assert (there.listing(), "1000" in there.problem) == (None, True)
