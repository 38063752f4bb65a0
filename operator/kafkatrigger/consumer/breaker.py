"""The breaker: a broken runtime, or a database that is down, is not a thousand poison messages. Pure.

When more than a share of the messages of a while fail for good, over several keys, nothing more is dispatched, and one
message after each wait probes whether it goes again.
"""

from collections import deque

import msgspec

from kafkatrigger.api.consumer_config import BreakerPolicy
from kafkatrigger.consumer.offsets import LaneId

FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 60.0
BUCKETS = 30
"""Into which the window is divided."""


class _Bucket(msgspec.Struct):
    begin: float
    ended: int = 0
    failed: int = 0
    keys: set[LaneId] = msgspec.field(default_factory=set)


class Breaker:
    """Counts how messages end. All times are seconds on the monotonic clock."""

    def __init__(self, policy: BreakerPolicy | None) -> None:
        self._policy = policy
        self._buckets: deque[_Bucket] = deque()
        self._backoff = FIRST_BACKOFF
        self._probe_at = 0.0
        self._probing = False
        self.open = False
        """Whether dispatch is stopped."""

    def succeeded(self, count: int, now: float) -> None:
        """So many messages succeeded or were filtered."""
        if self._policy is None:
            return
        if self._probing:
            self.close()
        self._bucket(now).ended += count

    def failed(self, lane: LaneId, now: float) -> None:
        """A message failed for good."""
        if self._policy is None:
            return
        bucket = self._bucket(now)
        bucket.ended += 1
        bucket.failed += 1
        if len(bucket.keys) < self._policy.minimum_keys:
            bucket.keys.add(lane)
        if not self.open and self._is_too_much(self._policy, now):
            self.open = True
            self._probe_at = now + self._backoff

    def attempt_failed(self, now: float) -> None:
        """An attempt failed, whether the last of its message or not."""
        if self._probing:
            self._probing = False
            self._backoff = min(self._backoff * 2, LONGEST_BACKOFF)
            self._probe_at = now + self._backoff

    def allowance(self, now: float, in_flight: int) -> int | None:
        """How many messages may be dispatched: any number (None) while it is closed, else one at a time, or none."""
        if not self.open:
            return None
        return int(not in_flight and now >= self._probe_at)

    def probe_sent(self) -> None:
        """The message that `allowance` allowed is under way."""
        self._probing = True

    def close(self) -> None:
        """It goes again, or somebody says so: counting begins anew."""
        self.open = self._probing = False
        self._backoff = FIRST_BACKOFF
        self._buckets.clear()

    def _bucket(self, now: float) -> _Bucket:
        width = self._policy.window / BUCKETS if self._policy else 1.0
        if not self._buckets or now - self._buckets[-1].begin >= width:
            self._buckets.append(_Bucket(now))
            while len(self._buckets) > BUCKETS:
                self._buckets.popleft()
        return self._buckets[-1]

    def _is_too_much(self, policy: BreakerPolicy, now: float) -> bool:
        recent = [each for each in self._buckets if now - each.begin < policy.window]
        ended, failed = sum(each.ended for each in recent), sum(each.failed for each in recent)
        keys = set().union(*(each.keys for each in recent))
        return (
            ended >= policy.minimum_messages
            and len(keys) >= policy.minimum_keys
            and failed > policy.failure_ratio * ended
        )
