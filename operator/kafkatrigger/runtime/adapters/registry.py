"""Adapters as a trigger says them, made by the factories that packages register as entry points of one group."""

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from kafkatrigger.api.adapters import SECRETS_PATH, AdapterSettings
from kafkatrigger.runtime.adapters.kept import Kept
from kafkatrigger.runtime.adapters.protocol import AdapterError, Factory

GROUP = "kafkatrigger.adapters"


def mounted(settings: AdapterSettings) -> Path:
    """Where a pod has the secret of an adapter."""
    return Path(SECRETS_PATH, settings.name)


def make_all(
    settings: Iterable[AdapterSettings], folder_of: Callable[[AdapterSettings], Path] = mounted
) -> dict[str, Kept]:
    """The adapters by name, each with the folder of its secret; AdapterError, and then none is open."""
    made: dict[str, Kept] = {}
    try:
        for each in settings:
            if each.name in made:
                raise AdapterError(f"two adapters are called {each.name!r}: rename one of them")
            made[each.name] = make(each, folder_of(each))
    except AdapterError:
        close_all(made)
        raise
    return made


def close_all(adapters: dict[str, Kept]) -> None:
    """Closes them, when nothing runs any more."""
    for each in adapters.values():
        each.close()


def make(settings: AdapterSettings, secrets: Path) -> Kept:
    """One adapter, whose secret's keys are files of the folder; AdapterError."""
    try:
        return Kept(_factory(settings.type), settings.options, secrets)
    except AdapterError as error:
        raise AdapterError(f"the adapter {settings.name!r} ({settings.type}): {error}") from None


def _factory(kind: str) -> Factory:
    found = entry_points(group=GROUP)
    points: list[EntryPoint] = list(dict.fromkeys(found.select(name=kind)))
    if not points:
        raise AdapterError(f"there is no such type here: there are {', '.join(sorted(found.names))}")
    if len(points) > 1:
        values = " and ".join(each.value for each in points)
        raise AdapterError(f"several packages register this type, {values}: remove all but one from the image")
    try:
        factory: Factory = points[0].load()
    except ImportError as error:
        raise AdapterError(
            f"it needs {error.name}, which is not installed here: use the analytics image, or kafkatrigger[adapters,analytics]"
        ) from None
    return factory
