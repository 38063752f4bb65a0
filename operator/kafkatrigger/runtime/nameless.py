"""Files without a name, by which processes share what is too large for an argument, or changes."""

import os
import tempfile


def nameless_file(title: str) -> int:
    """A descriptor of an empty file, in memory where that is possible; `title` is for those who look at processes."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(title)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
