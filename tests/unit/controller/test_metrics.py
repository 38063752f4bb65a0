from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from kafkatrigger.controller.cache import Key
from kafkatrigger.controller.metrics import TRIGGERS, ReadyCount

RUL, OTHER = Key("plant-7", "rul"), Key("plant-7", "other")


@pytest.fixture
def count() -> Iterator[ReadyCount]:
    TRIGGERS.clear()
    yield ReadyCount()
    TRIGGERS.clear()


def triggers(ready: str, reason: str) -> float | None:
    return REGISTRY.get_sample_value("kafkatrigger_triggers", {"ready": ready, "reason": reason})


def test_each_trigger_counts_once_where_it_is_now(count: ReadyCount) -> None:
    count.set(RUL, "False", "Progressing")
    count.set(RUL, "True", "Consuming")
    count.set(OTHER, "True", "Consuming")
    count.set(OTHER, "True", "Consuming")
    assert (triggers("false", "Progressing"), triggers("true", "Consuming")) == (0, 2)


def test_a_trigger_that_is_gone_counts_no_more(count: ReadyCount) -> None:
    count.set(RUL, "Unknown", "Checking")
    count.forget(RUL)
    count.forget(OTHER)
    assert triggers("unknown", "Checking") == 0
