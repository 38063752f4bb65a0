"""The operator's metrics."""

from prometheus_client import Counter, Gauge, Histogram

from kafkatrigger.controller.cache import Key

RECONCILE_SECONDS = Histogram("kafkatrigger_reconcile_seconds", "Time of one reconcile of a trigger.")
RECONCILE_ERRORS = Counter(
    "kafkatrigger_reconcile_errors_total", "Reconciles that failed and were put back into the queue."
)
TRIGGERS = Gauge("kafkatrigger_triggers", "Triggers, by the status of their condition Ready.", ["ready"])


class ReadyCount:
    """Keeps TRIGGERS up to date."""

    def __init__(self) -> None:
        self._ready: dict[Key, str] = {}
        for status in ("true", "false", "unknown"):
            TRIGGERS.labels(status).set(0)

    def set(self, key: Key, status: str) -> None:
        self.forget(key)
        self._ready[key] = status.lower()
        TRIGGERS.labels(status.lower()).inc()

    def forget(self, key: Key) -> None:
        if before := self._ready.pop(key, None):
            TRIGGERS.labels(before).dec()
