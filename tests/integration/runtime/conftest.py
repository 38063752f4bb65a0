import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.runtime.client import Runtime


@pytest.fixture
def start_runtime(tmp_path: Path) -> Iterator[Callable[..., Runtime]]:
    """Starts runtimes; ends them after the test."""
    runtimes: list[Runtime] = []
    shutil.copy(Path(__file__).with_name("functions.py"), tmp_path)

    def start(**options: int) -> Runtime:
        runtimes.append(Runtime(tmp_path, **options))
        return runtimes[-1]

    yield start
    for runtime in runtimes:
        runtime.end()


@pytest.fixture
def runtime(start_runtime: Callable[..., Runtime]) -> Runtime:
    """A runtime with one worker."""
    return start_runtime()
