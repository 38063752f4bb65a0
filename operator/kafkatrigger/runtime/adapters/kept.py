"""An adapter that is made anew when its Secret has changed, and of whose errors nothing of the Secret is left."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from kafkatrigger.runtime.adapters.protocol import Adapter, AdapterError, Factory, Wired
from kafkatrigger.runtime.transformations.model import DataType

SHORTEST_HIDDEN = 4
"""Characters. Shorter ones are found in any sentence."""
_HIDDEN = "***"

Fingerprint = tuple[tuple[str, int, int, int], ...]


class Kept:
    """Adapters of one kind, one after the other."""

    def __init__(self, factory: Factory, options: Mapping[str, Any], secrets: Path) -> None:
        self._factory = factory
        self._options = options
        self._secrets = secrets
        self._lock = threading.Lock()
        self._current = self._made()

    def load(self, wired: Wired, kind: DataType) -> Any:
        """As the adapter does."""
        with self._used() as adapter:
            return adapter.load(wired, kind)

    def send(self, wired: Wired, kind: DataType, value: Any) -> None:
        """As the adapter does."""
        with self._used() as adapter:
            adapter.send(wired, kind, value)

    def close(self) -> None:
        """Closes the adapter."""
        self._current.adapter.close()

    def _made(self) -> "_Generation":
        seen, words = fingerprint(self._secrets), credentials(self._secrets)
        try:
            return _Generation(self._factory(self._options, self._secrets), seen, words)
        except AdapterError as error:
            raise AdapterError(hidden(str(error), words), retriable=error.retriable) from None

    @contextlib.contextmanager
    def _used(self) -> Iterator[Adapter]:
        generation = self._taken()
        try:
            yield generation.adapter
        except AdapterError as error:
            raise AdapterError(hidden(str(error), generation.credentials), retriable=error.retriable) from None
        finally:
            self._give_back(generation)

    def _taken(self) -> "_Generation":
        """The adapter of the Secret as it is now. An earlier one is closed when the last of its calls is over."""
        with self._lock:
            before = self._current
            if fingerprint(self._secrets) != before.seen:
                self._current = self._made()
                if not before.users:
                    before.adapter.close()
            self._current.users += 1
            return self._current

    def _give_back(self, generation: "_Generation") -> None:
        with self._lock:
            generation.users -= 1
            is_over = not generation.users and generation is not self._current
        if is_over:
            generation.adapter.close()


class _Generation:
    """An adapter, and the Secret that it was made with."""

    def __init__(self, adapter: Adapter, seen: Fingerprint, credentials: list[str]) -> None:
        self.adapter = adapter
        self.seen = seen
        self.credentials = credentials
        self.users = 0


def fingerprint(folder: Path) -> Fingerprint:
    """Differs when a file was replaced or written; empty where there is no folder."""
    try:
        states = [(each.name, each.stat()) for each in sorted(folder.iterdir()) if each.is_file()]
    except OSError:
        return ()
    return tuple((name, state.st_ino, state.st_mtime_ns, state.st_size) for name, state in states)


def credentials(folder: Path) -> list[str]:
    """What may be in no message: the values of all keys, and the passwords in those that are URLs; longest first."""
    try:
        values = [each.read_text(errors="replace").strip() for each in folder.iterdir() if each.is_file()]
    except OSError:
        return []
    words = {word for value in values for word in (value, *_passwords(value))}
    return sorted((word for word in words if len(word) >= SHORTEST_HIDDEN), key=len, reverse=True)


def _passwords(text: str) -> list[str]:
    try:
        password = urlsplit(text).password or ""
    except ValueError:
        return []
    return [password, unquote(password)]


def hidden(text: str, words: list[str]) -> str:
    """The text without these words."""
    for word in words:
        text = text.replace(word, _HIDDEN)
    return text
