"""Whether messages have stopped to flow though nothing names itself as the cause. Pure."""

from collections.abc import Mapping

from kafkatrigger.consumer.partition import Partition

STALL_SECONDS = 15.0
"""Without a message that becomes terminal, while something waits."""


class Flow:
    """The two halves of a message's way: until it is answered, and until its answer is acknowledged."""

    def __init__(self, timeout: float) -> None:
        self._work = Stall(timeout)
        self._answers = Stall(0.0)  # they wait for brokers, and for no function that may take its time

    def look(self, now: float, acknowledged: int, progress: object, waits: bool, runs: bool, answered: bool) -> bool:
        """Whether either half stands still: `acknowledged` counts what has come to its end, `answered` says whether
        anything is on the second half; the rest as in Stall.
        """
        stands = self._work.look(now, (acknowledged, progress), waits, runs)
        return self._answers.look(now, acknowledged, answered, runs=False) or stands


class Reading:
    """Partitions that are not read, though more of them is there: one may stand still while the others flow."""

    def __init__(self) -> None:
        self._looked = 0.0
        self._waited: dict[Partition, tuple[int, float]] = {}
        """How far each is read, and the seconds for which that was so while there was room for more."""

    def look(self, now: float, unread: Mapping[Partition, int], has_room: bool) -> list[Partition]:
        """Those that stand still. `unread`: how far each is read of which more is there and nothing holds it back."""
        passed = now - self._looked if has_room else 0.0
        self._looked = now
        before, self._waited = self._waited, {}
        for partition, end in unread.items():
            known, seconds = before.get(partition, (end, -passed))  # seen for the first time, it has waited since now
            self._waited[partition] = (end, seconds + passed if known == end else 0.0)
        return [partition for partition, (_, seconds) in self._waited.items() if seconds >= STALL_SECONDS]


class Stall:
    """Looks at the flow now and then. Slow work is no stall: an attempt has its timeout to come to an end."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._progress: object = None
        self._since: float | None = None
        """Since when something waits without progress."""

    def look(self, now: float, progress: object, waits: bool, runs: bool) -> bool:
        """Whether the flow has stopped. `progress` is anything that differs when a message became terminal or was read,
        `waits` says whether anything that is not parked could go on, `runs` whether a worker has messages.
        """
        if progress != self._progress or not waits or self._since is None:
            self._progress, self._since = progress, now
        patience = STALL_SECONDS + (self._timeout if runs else 0.0)
        return now - self._since >= patience
