"""What the registries of a pod and of the operator export."""

from typing import NamedTuple

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from kafkatrigger.api.pod_status import CONSUMING, PartitionStatus, PodStatus
from kafkatrigger.consumer.health import Health
from kafkatrigger.consumer.metrics import StatusCollector
from kafkatrigger.controller.cache import Key
from kafkatrigger.controller.metrics import ReadyCount

POD_LABELS = {"namespace", "trigger"}
_OF_FAMILIES = {"le"}
"""Labels that the type of a metric brings along."""


class Exported(NamedTuple):
    """A metric as a scrape shows it."""

    type: str
    labels: frozenset[str]
    series: frozenset[str]
    """Names of its samples."""


def of_pods() -> dict[str, Exported]:
    """By name, those of a pod in which everything has happened once; without the labels that all have."""
    health = Health("plant-7/rul", "g")
    partition = PartitionStatus("t", 0, watermark=1, committed=1, lag=1, started="Committed", end=2, processed=1)
    health.publish(
        PodStatus(
            *("plant-7/rul", True, CONSUMING, "", "g", [partition]),
            worker_restarts={"Crashed": 1},
            attempts={"succeeded": 1},
        )
    )
    found = _exported(StatusCollector(health))
    assert all(each.labels >= POD_LABELS for each in found.values())
    return {name: each._replace(labels=each.labels - POD_LABELS) for name, each in found.items()}


def of_operator() -> dict[str, Exported]:
    """By name, those of an operator that has a trigger; what prometheus_client says about Python is no part of it."""
    count, key = ReadyCount(), Key("plant-7", "rul")
    count.set(key, "True", CONSUMING)
    found = {name: each for name, each in _exported(REGISTRY).items() if name.startswith("kafkatrigger_")}
    count.forget(key)
    return found


def _exported(collector: Collector) -> dict[str, Exported]:
    found = {}
    for family in collector.collect():
        samples = [each for each in family.samples if not each.name.endswith("_created")]
        labels = frozenset(name for each in samples for name in each.labels) - _OF_FAMILIES
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = Exported(family.type, labels, frozenset(each.name for each in samples))
    return found


def labels_of_series() -> dict[str, frozenset[str]]:
    """What an expression may select by and aggregate over, for each name that it may use."""
    pods = {name: each._replace(labels=each.labels | POD_LABELS) for name, each in of_pods().items()}
    every = [*pods.values(), *of_operator().values()]
    return {name: each.labels | _added(name) for each in every for name in each.series}


def _added(series: str) -> frozenset[str]:
    return frozenset(_OF_FAMILIES if series.endswith("_bucket") else ())
