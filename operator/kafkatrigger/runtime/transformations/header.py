"""What hetida designer says of a revision, in whichever form it writes it."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from kafkatrigger.runtime.transformations.model import Revision, State

_STATES: Mapping[str, State] = {"DRAFT": "Draft", "RELEASED": "Released", "DISABLED": "Disabled"}


class Header(msgspec.Struct, kw_only=True):
    """Base of the forms, which add what the revision is made of."""

    name: str
    id: str
    revision_group_id: str
    version_tag: str
    state: Literal["DRAFT", "RELEASED", "DISABLED"] = "DRAFT"
    category: str = ""
    description: str = ""
    released_timestamp: str | None = None
    disabled_timestamp: str | None = None

    def revision(self, **rest: Any) -> Revision:
        """The revision with the rest of its fields; ValueError where they do not fit together."""
        return Revision(
            id=self.id,
            revision_group_id=self.revision_group_id,
            name=self.name,
            version_tag=self.version_tag,
            state=_STATES[self.state],
            category=self.category,
            description=self.description,
            released_timestamp=self.released_timestamp,
            disabled_timestamp=self.disabled_timestamp,
            **rest,
        )
