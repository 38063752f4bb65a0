"""Whether the Transformation that a trigger names is there, and may run. Pure.

Asked by name beside the reconciles, and not watched: what becomes of it while it runs, the consumers see themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kafkatrigger.api.trigger_transformation import Reference
from kafkatrigger.controller.conditions import Verdict, no, unknown

NOT_FOUND = "TransformationNotFound"
CHECKING = "Checking"
REASONS = (NOT_FOUND, CHECKING)
"""While one of these holds, the objects stay as they are."""

MISSING_PAUSE = 20.0
"""Seconds until it is looked for again."""
FOUND_PAUSE = 300.0


class Question(NamedTuple):
    """A Transformation."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Answer:
    """What is there; nothing is set where it is not."""

    version_tag: str = ""
    state: str = ""
    problem: str = ""
    """Why it is not known."""

    @property
    def is_usable(self) -> bool:
        return self.state not in ("", "Disabled")


def answer(body: Mapping[str, Any] | None) -> Answer:
    """What the API server's answer means."""
    if body is None:
        return Answer()
    spec = body["spec"]
    return Answer(spec["versionTag"], spec["state"])


def judge(before: Answer | None, found: Answer) -> tuple[Answer, float]:
    """What to believe, and seconds until it is asked again; what was known stands until there is an answer."""
    counts = before if found.problem and before else found
    return counts, FOUND_PAUSE if counts.is_usable else MISSING_PAUSE


def ruling(named: Reference, found: Answer | None, before: Verdict | None) -> Verdict | None:
    """Why the trigger is not accepted, or None. `before`: what was said of this generation, also by an operator before."""
    if found is None or found.problem:
        if before:
            return before if before.reason in REASONS else None
        return unknown(CHECKING, f"looking for the Transformation {named.name}{_because(found)}")
    if not found.state:
        return no(
            NOT_FOUND,
            f"there is no Transformation {named.name} in this namespace: apply it with `kubectl apply --server-side`, or "
            "correct spec.transformation.ref.name",
        )
    if named.version_tag not in (None, found.version_tag):
        return no(
            NOT_FOUND,
            f"the Transformation {named.name} has the version tag {found.version_tag}, and spec.transformation.ref.versionTag "
            f"is {named.version_tag}: correct the tag, or name the revision that has it",
        )
    if not found.is_usable:
        return no(
            NOT_FOUND, f"the Transformation {named.name} is disabled: name another revision in spec.transformation.ref"
        )
    return None


def _because(found: Answer | None) -> str:
    return f": {found.problem}" if found else ""
