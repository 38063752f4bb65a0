"""What is said of the Transformation that a trigger names."""

from typing import Any

import pytest

from kafkatrigger.api.trigger_transformation import Reference
from kafkatrigger.controller.conditions import Verdict, no, unknown, yes
from kafkatrigger.controller.references import FOUND_PAUSE, MISSING_PAUSE, Answer, answer, judge, ruling

FOUND, MISSING, SILENT = Answer("1.0.0", "Released"), Answer(), Answer(problem="the Kubernetes API does not answer")
ACCEPTED, NOT_FOUND = yes("Accepted", "a"), no("TransformationNotFound", "b")


def named(tag: str | None = None) -> Reference:
    return Reference(name="rul-1-0-0", version_tag=tag)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (None, MISSING),
        ({"spec": {"versionTag": "1.0.0", "state": "Released", "component": {}}}, FOUND),
        ({"spec": {"versionTag": "1.0.1", "state": "Draft"}}, Answer("1.0.1", "Draft")),
    ],
)
def test_answers(body: Any, expected: Answer) -> None:
    assert answer(body) == expected


@pytest.mark.parametrize(
    ("tag", "found", "sentence"),
    [
        (
            None,
            MISSING,
            "there is no Transformation rul-1-0-0 in this namespace: apply it with `kubectl apply --server-side`",
        ),
        ("1.0.1", FOUND, "has the version tag 1.0.0, and spec.transformation.ref.versionTag is 1.0.1"),
        (None, Answer("1.0.0", "Disabled"), "the Transformation rul-1-0-0 is disabled: name another revision"),
    ],
)
def test_what_cannot_run(tag: str | None, found: Answer, sentence: str) -> None:
    said = ruling(named(tag), found, ACCEPTED)
    assert said is not None
    assert (said.status, said.reason) == ("False", "TransformationNotFound")
    assert sentence in said.message


@pytest.mark.parametrize(("tag", "found"), [(None, FOUND), ("1.0.0", FOUND), (None, Answer("1.0.0", "Draft"))])
def test_what_can_run(tag: str | None, found: Answer) -> None:
    assert ruling(named(tag), found, NOT_FOUND) is None


@pytest.mark.parametrize("found", [None, SILENT])
@pytest.mark.parametrize(
    ("before", "expected"), [(ACCEPTED, None), (no("GroupInUse", "g"), None), (NOT_FOUND, NOT_FOUND)]
)
def test_without_an_answer_stands_what_was_said(
    found: Answer | None, before: Verdict, expected: Verdict | None
) -> None:
    assert ruling(named(), found, before) == expected


def test_before_the_first_answer() -> None:
    assert ruling(named(), None, None) == unknown("Checking", "looking for the Transformation rul-1-0-0")
    silent = ruling(named(), SILENT, None)
    assert silent is not None
    assert silent.message.endswith(": the Kubernetes API does not answer")


@pytest.mark.parametrize(
    ("before", "found", "counts", "pause"),
    [
        (None, FOUND, FOUND, FOUND_PAUSE),
        (FOUND, MISSING, MISSING, MISSING_PAUSE),
        (None, Answer("1", "Disabled"), Answer("1", "Disabled"), MISSING_PAUSE),
        (None, SILENT, SILENT, MISSING_PAUSE),
        (MISSING, SILENT, MISSING, MISSING_PAUSE),
        (FOUND, SILENT, FOUND, FOUND_PAUSE),
    ],
)
def test_how_often_is_asked(before: Answer | None, found: Answer, counts: Answer, pause: float) -> None:
    assert judge(before, found) == (counts, pause)
