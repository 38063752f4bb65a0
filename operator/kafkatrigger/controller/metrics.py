"""The operator's metrics."""

from prometheus_client import Counter, Gauge, Histogram

from kafkatrigger.controller.cache import Key

RECONCILE_SECONDS = Histogram("kafkatrigger_reconcile_seconds", "Time of one reconcile of a trigger.")
RECONCILE_ERRORS = Counter(
    "kafkatrigger_reconcile_errors_total", "Reconciles that failed and were put back into the queue."
)
TRIGGERS = Gauge(
    "kafkatrigger_triggers", "Triggers, by status and reason of their condition Ready.", ["ready", "reason"]
)


class ReadyCount:
    """Keeps TRIGGERS up to date."""

    def __init__(self) -> None:
        self._ready: dict[Key, tuple[str, str]] = {}

    def set(self, key: Key, status: str, reason: str) -> None:
        self.forget(key)
        self._ready[key] = status.lower(), reason
        TRIGGERS.labels(*self._ready[key]).inc()

    def forget(self, key: Key) -> None:
        if before := self._ready.pop(key, None):
            TRIGGERS.labels(*before).dec()
