"""Adapters for tests, and what wirings say to them."""

from pathlib import Path
from typing import Any

import pytest

from kafkatrigger.api.adapters import AdapterSettings
from kafkatrigger.runtime.adapters.external import parse_type, type_for
from kafkatrigger.runtime.adapters.kept import Kept
from kafkatrigger.runtime.adapters.protocol import NO_SECRET, Adapter, AdapterError, Wired
from kafkatrigger.runtime.adapters.registry import make
from kafkatrigger.runtime.transformations.data import parse
from kafkatrigger.runtime.transformations.model import DataType


def made(kind: str, secrets: Path = NO_SECRET, **options: Any) -> Kept:
    return make(AdapterSettings("mine", kind, options), secrets)


def refused(kind: str, secrets: Path = NO_SECRET, **options: Any) -> str:
    """Why it cannot be made."""
    with pytest.raises(AdapterError) as caught:
        made(kind, secrets, **options)
    return str(caught.value)


def wired(ref_id: str, kind: DataType = DataType.ANY, type_: str = "", **more: Any) -> Wired:
    return Wired(ref_id, parse_type(type_) if type_ else type_for(kind), **more)


def loaded(adapter: Adapter, ref_id: str, kind: DataType, type_: str = "", **more: Any) -> Any:
    """As a run loads it."""
    return parse(kind, adapter.load(wired(ref_id, kind, type_, **more), kind))


def failure(
    adapter: Adapter, ref_id: str, kind: DataType = DataType.DATAFRAME, type_: str = "", **more: Any
) -> AdapterError:
    """Why it cannot be loaded."""
    with pytest.raises(AdapterError) as caught:
        adapter.load(wired(ref_id, kind, type_, **more), kind)
    return caught.value


def secret_of(folder: Path, **keys: str) -> Path:
    """A folder as a Secret is mounted; underscores in keys are dots."""
    folder.mkdir(exist_ok=True)
    for key, value in keys.items():
        (folder / key.replace("_", ".")).write_text(f"{value}\n")
    return folder
