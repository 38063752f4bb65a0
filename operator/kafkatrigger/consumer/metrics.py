"""Metrics of a consumer pod, read from its published status and its histograms: the data path pays next to nothing."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from kafkatrigger.api.pod_status import PodStatus
from kafkatrigger.consumer.health import Health
from kafkatrigger.consumer.histogram import Histogram

_LABELS = ["namespace", "trigger"]
_OUTCOMES = ("succeeded", "filtered", "dead_lettered", "skipped")


class StatusCollector(Collector):
    """Turns the status of the moment into metrics."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """Called at every scrape."""
        status = self._health.status
        names = status.trigger.split("/", 1)
        # Prometheus sees a counter grow only where it has seen it before: the first dead letter has to count.
        outcomes = dict.fromkeys(_OUTCOMES, 0) | status.outcomes
        yield _counter("kafkatrigger_messages", "Terminal messages.", names, "outcome", outcomes)
        yield _counter(
            "kafkatrigger_attempts",
            "Attempts that ended: succeeded, or why they failed.",
            names,
            "result",
            status.attempts,
        )
        yield _counter(
            "kafkatrigger_worker_restarts", "Worker processes that ended.", names, "reason", status.worker_restarts
        )
        yield _gauge(
            "kafkatrigger_in_flight", "Messages handed to the runtime and not yet answered.", names, status.in_flight
        )
        yield _gauge("kafkatrigger_waiting", "Messages that wait for a retry or behind one.", names, status.waiting)
        yield _gauge(
            "kafkatrigger_parked_keys", "Keys that wait, for a retry or a decision.", names, status.parked_keys
        )
        yield _gauge("kafkatrigger_blocked_keys", "Keys that wait for a decision.", names, status.blocked_keys)
        yield _gauge("kafkatrigger_breaker_open", "1 while too much fails to go on.", names, int(status.breaker_open))
        yield _gauge("kafkatrigger_ready", "1 while the pod is ready.", names, int(status.ready))
        reason = GaugeMetricFamily(
            "kafkatrigger_reason", "1 for the reason of being ready or not.", labels=[*_LABELS, "reason"]
        )
        reason.add_metric([*names, status.reason], 1)
        yield reason
        rebalances = CounterMetricFamily("kafkatrigger_rebalances", "Changes of the assignment.", labels=_LABELS)
        rebalances.add_metric(names, status.rebalances)
        yield rebalances
        lost = CounterMetricFamily(
            "kafkatrigger_lost_offsets", "Offsets that retention removed before they were read.", labels=_LABELS
        )
        lost.add_metric(names, status.lost_offsets)
        yield lost
        spans = CounterMetricFamily("kafkatrigger_spans_dropped", "Spans that reached no collector.", labels=_LABELS)
        spans.add_metric(names, status.spans_dropped)
        yield spans
        yield _lag(status, names)
        for name, text, histogram in _histograms(self._health):
            family = HistogramMetricFamily(name, text, labels=_LABELS)
            family.add_metric(names, histogram.cumulative(), histogram.sum)
            yield family


def _counter(name: str, text: str, names: list[str], label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[*_LABELS, label])
    for value, count in values.items():
        family.add_metric([*names, value], count)
    return family


def _gauge(name: str, text: str, names: list[str], value: float) -> Metric:
    family = GaugeMetricFamily(name, text, labels=_LABELS)
    family.add_metric(names, value)
    return family


def _lag(status: PodStatus, names: list[str]) -> Metric:
    family = GaugeMetricFamily(
        "kafkatrigger_lag",
        "Messages of a partition that are not terminal.",
        labels=[*_LABELS, "kind", "topic", "partition"],
    )
    for partition in status.partitions:
        where = partition.topic, str(partition.partition)
        if partition.lag is not None:
            family.add_metric([*names, "committed", *where], partition.lag)
        if partition.end is not None and partition.processed is not None:
            family.add_metric([*names, "processed", *where], max(0, partition.end - partition.processed))
    return family


def _histograms(health: Health) -> Iterator[tuple[str, str, Histogram]]:
    measures = health.measures
    yield "kafkatrigger_execution_seconds", "Time of a worker for each message.", measures.execution
    yield "kafkatrigger_end_to_end_seconds", "From a message's timestamp to its response.", measures.end_to_end
    yield "kafkatrigger_commit_seconds", "Time of a commit, with the acknowledgements it waits for.", measures.commit


def registry(health: Health) -> CollectorRegistry:
    """A registry with the pod's metrics alone."""
    result = CollectorRegistry()
    result.register(StatusCollector(health))
    return result
