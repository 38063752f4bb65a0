"""Which Transformations there are, and what of them a runtime needs. Pure.

A stream needs the transformation that its trigger names, with all that this is made of. Requests may ask for any of those
that the trigger allows, and need all others as parts.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from kafkatrigger.api.frames import Revisions
from kafkatrigger.api.transforming import Transforming

log = logging.getLogger(__name__)

FRAME_BYTES = 1024 * 1024
"""Of one frame with revisions, unless one alone is larger."""

MOST_BYTES = 64 * 1024 * 1024
"""That all Transformations of a namespace may have together: they are held in memory."""


class UnresolvedError(Exception):
    """What a trigger names is not there; the message says what, and what to do."""


class Listed(msgspec.Struct, frozen=True):
    """One Transformation."""

    name: str
    labels: dict[str, str]
    spec: bytes
    """JSON."""
    id: str
    """Empty where `spec` cannot be read."""
    version_tag: str
    parts: tuple[str, ...]
    """Ids of the transformations that it is made of."""


Listing = Mapping[str, Listed]
"""All that there are, by name."""

Offer = dict[str, tuple[bool, bytes]]
"""What runtimes that serve requests know: by id, whether it may be requested, and its spec."""


class Catalog(Protocol):
    """Where Transformations come from."""

    @property
    def problem(self) -> str:
        """Why there is no listing, as a sentence."""

    def listing(self) -> Listing | None:
        """All that there are, None until that is known. The same object as long as nothing has changed."""


class _Operator(msgspec.Struct, rename="camel"):
    transformation_id: str


class _Workflow(msgspec.Struct, rename="camel"):
    operators: list[_Operator] = []


class _Outline(msgspec.Struct, rename="camel"):
    id: str
    version_tag: str = ""
    workflow: _Workflow | None = None


class _Metadata(msgspec.Struct):
    name: str
    labels: dict[str, str] = {}


class Manifest(msgspec.Struct):
    """As much of the custom resource as is looked at."""

    metadata: _Metadata
    spec: msgspec.Raw = msgspec.Raw(b"{}")

    def listed(self) -> Listed:
        """What is kept of it."""
        spec = bytes(self.spec)
        try:
            outline = _outlines.decode(spec)
        except msgspec.DecodeError:
            outline = _Outline("")
        parts = [each.transformation_id for each in outline.workflow.operators] if outline.workflow else []
        name, labels = self.metadata.name, self.metadata.labels
        return Listed(name, labels, spec, outline.id, outline.version_tag, tuple(dict.fromkeys(parts)))


_outlines = msgspec.json.Decoder(_Outline)


def too_much(listing: Iterable[Listed]) -> str:
    """A sentence where they take more memory than there is for them, else nothing."""
    size = sum(len(each.spec) for each in listing)
    if size <= MOST_BYTES:
        return ""
    return f"the Transformations have {size} bytes together, and may have {MOST_BYTES}: move some to another namespace"


def resolve(transforming: Transforming, listing: Listing) -> list[bytes]:
    """The revision that the trigger names and all that it is made of; UnresolvedError."""
    root = listing.get(transforming.ref)
    if root is None:
        raise UnresolvedError(
            f"there is no Transformation {transforming.ref}: create it, or correct spec.transformation.ref.name"
        )
    if transforming.version_tag not in ("", root.version_tag):
        raise UnresolvedError(
            f"the Transformation {root.name} has the version tag {root.version_tag or 'of nothing'}, and the trigger wants "
            f"{transforming.version_tag}: correct spec.transformation.ref"
        )
    by_id: dict[str, list[Listed]] = {}
    for each in listing.values():
        by_id.setdefault(each.id, []).append(each)
    found = {root.id: root}
    waiting = [root]
    while waiting:
        whole = waiting.pop()
        for part in whole.parts:
            if part not in found:
                found[part] = _part(whole, part, by_id.get(part, []))
                waiting.append(found[part])
    return [each.spec for each in found.values()]


def _part(whole: Listed, wanted: str, those: list[Listed]) -> Listed:
    if not those:
        raise UnresolvedError(
            f"the Transformation {whole.name} is made of one with the id {wanted}, which is not there: create it"
        )
    if len(those) > 1:
        names = " and ".join(sorted(each.name for each in those))
        raise UnresolvedError(f"the Transformations {names} have the same id {wanted}: remove all but one of them")
    return those[0]


def offer(transforming: Transforming, listing: Listing) -> Offer:
    """What may be requested, and what only be part of it. Of several with one id the first by name counts."""
    found: Offer = {}
    for _, each in sorted(listing.items()):
        if each.id and each.id not in found:
            found[each.id] = transforming.selector.items() <= each.labels.items(), each.spec
    return found


def changes(before: Offer, after: Offer) -> list[Revisions]:
    """What makes a runtime that knows the one know the other."""
    frames = [Revisions([], sorted(before.keys() - after.keys()))]
    size = 0
    for revision, each in after.items():
        if before.get(revision) != each:
            if size and size + len(each[1]) > FRAME_BYTES:
                frames.append(Revisions([]))
                size = 0
            frames[-1].put.append(each)
            size += len(each[1])
    return [frame for frame in frames if frame.put or frame.removed]


class Assignment:
    """What the runtime has to know of the catalog as it is now."""

    def __init__(self, transforming: Transforming, catalog: Catalog) -> None:
        self._transforming = transforming
        self._catalog = catalog
        self._seen: Listing | None = None
        self._problem = ""
        """Why the latest listing is of no use; what was made of the one before goes on then."""
        self._offer: Offer = {}
        self.revisions: list[bytes] = []
        """For Hello."""
        self.is_known = False
        """Something can be run."""

    @property
    def problem(self) -> str:
        """Why nothing can be run, or why what runs is older than what there is."""
        return self._problem or ("" if self._seen is not None else self._catalog.problem)

    def look(self) -> "list[Revisions] | None":
        """None where nothing is new; else the news for workers. They need a new Hello instead where there are none."""
        listing = self._catalog.listing()
        if listing is None or listing is self._seen:
            return None
        self._seen = listing
        if self._transforming.is_request:
            before, self._offer = self._offer, offer(self._transforming, listing)
            self.is_known = True
            return changes(before, self._offer) or None
        try:
            revisions = resolve(self._transforming, listing)
        except UnresolvedError as error:
            self._problem = str(error)
            log.warning("%s", error)
            return None
        self._problem = ""
        is_new, self.revisions, self.is_known = revisions != self.revisions, revisions, True
        return [] if is_new else None

    def all(self) -> list[Revisions]:
        """For a worker that knows nothing."""
        return changes({}, self._offer)
