"""What is said of an adapter, by which a transformation's inputs are loaded and its outputs are sent."""

from typing import Any

import msgspec

SECRETS_PATH = "/etc/kafkatrigger-adapters"
"""In the runtime: a folder for each adapter, by its name, with a file for each key of its Secret."""


class AdapterSettings(msgspec.Struct, frozen=True, rename="camel"):
    """One adapter: `name` is what wirings call it, `type` the entry point that makes it."""

    name: str
    type: str
    options: dict[str, Any] = {}
