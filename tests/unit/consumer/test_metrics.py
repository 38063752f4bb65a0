import pytest

from kafkatrigger.api.pod_status import CONSUMING, STALLED, PartitionStatus, PodStatus
from kafkatrigger.consumer.health import Health
from kafkatrigger.consumer.metrics import registry

NAMES = {"namespace": "plant-7", "trigger": "rul"}


def sample(status: PodStatus, name: str, **labels: str) -> float | None:
    health = Health(status.trigger, status.group_id)
    health.publish(status)
    return registry(health).get_sample_value(name, {**NAMES, **labels})


def ready(**said: object) -> PodStatus:
    return PodStatus("plant-7/rul", True, CONSUMING, "", "g", **said)  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", ["succeeded", "filtered", "dead_lettered", "skipped"])
def test_outcomes_that_did_not_happen_yet_are_zero(outcome: str) -> None:
    """Prometheus sees no growth in a counter that begins at one."""
    assert sample(ready(), "kafkatrigger_messages_total", outcome=outcome) == 0


def test_outcomes_that_happened_are_counted() -> None:
    assert sample(ready(outcomes={"skipped": 3}), "kafkatrigger_messages_total", outcome="skipped") == 3


def test_a_pod_tells_why_it_is_not_ready() -> None:
    stalled = PodStatus("plant-7/rul", False, STALLED, "nothing ends", "g")
    assert sample(stalled, "kafkatrigger_ready") == 0
    assert sample(stalled, "kafkatrigger_reason", reason=STALLED) == 1
    assert sample(stalled, "kafkatrigger_reason", reason=CONSUMING) is None


def test_both_kinds_of_lag() -> None:
    status = ready(partitions=[PartitionStatus("t", 3, 10, 10, 90, "Committed", end=100, processed=60)])
    where = {"topic": "t", "partition": "3"}
    assert sample(status, "kafkatrigger_lag", kind="committed", **where) == 90
    assert sample(status, "kafkatrigger_lag", kind="processed", **where) == 40
