"""Transformations of a file: the manifests of a run on one machine, as JSON, in the form of a list of the API."""

import logging
import time
from pathlib import Path

import msgspec

from kafkatrigger.consumer.catalog import Listing, Manifest, too_much

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between looks at the file."""


class _Manifests(msgspec.Struct):
    items: list[Manifest]


class FileCatalog:
    """Looks at the file now and then; one that is replaced is read anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._look_at = 0.0
        self._stamp: tuple[int, int, int] | None = None
        self._listing: Listing | None = None
        self.problem = f"{path} was not read yet"

    def listing(self) -> Listing | None:
        """As everywhere."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + INTERVAL
            try:
                self._look()
            except (OSError, msgspec.DecodeError) as error:
                self._refuse(f"the Transformations in {self._path} cannot be read ({error})")
        return self._listing

    def _look(self) -> None:
        found = self._path.stat()
        stamp = found.st_mtime_ns, found.st_size, found.st_ino
        if stamp == self._stamp:
            return
        self._stamp = stamp
        manifests = msgspec.json.decode(self._path.read_bytes(), type=_Manifests).items
        listing = {each.metadata.name: each.listed() for each in manifests}
        if problem := too_much(listing.values()):
            self._refuse(problem)
        else:
            self._listing = listing

    def _refuse(self, sentence: str) -> None:
        if sentence != self.problem:
            log.warning("%s", sentence)
        self.problem = sentence
