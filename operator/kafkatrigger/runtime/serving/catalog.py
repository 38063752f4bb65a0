"""The transformations that there are to request."""

import logging
from datetime import UTC, datetime

import msgspec

from kafkatrigger.api.frames import Revisions
from kafkatrigger.runtime.transformations.execution import Library
from kafkatrigger.runtime.transformations.model import Revision, from_json
from kafkatrigger.runtime.transformations.problems import InvalidTransformation, UnknownTransformation

log = logging.getLogger("kafkatrigger.runtime")


class _Identified(msgspec.Struct):
    id: str


class Catalog:
    """What the consumer said of them, for one connection."""

    def __init__(self) -> None:
        self.library = Library(())
        self._groups: dict[str, dict[str, Revision]] = {}
        """Revisions that may be requested, by group and id."""
        self._requestable: dict[str, Revision] = {}
        self._unreadable: dict[str, str] = {}

    def update(self, revisions: Revisions) -> None:
        """Takes what is new or changed, and forgets what is gone."""
        put = []
        for is_requestable, spec in revisions.put:
            revision = self._read(spec)
            if revision is not None:
                self._forget(revision.id)
                put.append(revision)
                if is_requestable:
                    self._requestable[revision.id] = revision
                    self._groups.setdefault(revision.revision_group_id, {})[revision.id] = revision
        for identity in revisions.removed:
            self._forget(identity)
        self.library.update(put, [*revisions.removed, *self._unreadable])

    def by_id(self, identity: str) -> str:
        """The id of a revision that may be requested; UnknownTransformation, or InvalidTransformation."""
        for each in (identity, identity.lower()):
            if each in self._unreadable:
                raise InvalidTransformation(f"the transformation {each} cannot be read: {self._unreadable[each]}")
            if each in self._requestable:
                return each
        raise UnknownTransformation(
            f"there is no transformation {identity!r} that may be requested: see its id, and its labels"
        )

    def latest(self, group: str) -> str:
        """The id of the revision of a group that was released last, of those that may be requested."""
        found = {**self._groups.get(group, {}), **self._groups.get(group.lower(), {})}
        released = [each for each in found.values() if each.state == "Released"]
        if not released:
            raise UnknownTransformation(
                f"there is no released revision of the group {group!r} that may be requested: see its state and labels"
            )
        return max(released, key=_released).id

    def _read(self, spec: bytes) -> Revision | None:
        try:
            return from_json(spec)
        except InvalidTransformation as error:
            self._note_unreadable(spec, str(error))
            return None

    def _note_unreadable(self, spec: bytes, problem: str) -> None:
        """It stands where the revision would, so that requests for it hear why."""
        try:
            identity = msgspec.json.decode(spec, type=_Identified).id
        except (msgspec.DecodeError, RecursionError):
            identity = ""
        log.warning("a transformation cannot be read", extra={"id": identity, "error": problem})
        if identity:
            self._forget(identity)
            self._unreadable[identity] = problem

    def _forget(self, identity: str) -> None:
        self._unreadable.pop(identity, None)
        revision = self._requestable.pop(identity, None)
        if revision is not None:
            del self._groups[revision.revision_group_id][identity]


def _released(revision: Revision) -> datetime:
    """When; those that do not say it come before all others."""
    try:
        moment = datetime.fromisoformat(revision.released_timestamp or "")
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
