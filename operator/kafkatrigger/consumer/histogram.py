"""Histograms that take many observations at once: the data path knows batches, not messages."""

from bisect import bisect_left

BOUNDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0),
)
"""Seconds; upper bounds of the buckets, inclusive."""


class Histogram:
    """Counts of durations by bucket. Written by the engine's thread; a reader may see one observation half told."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0
        """Seconds, of all observations."""

    def observe(self, seconds: float, count: int = 1) -> None:
        """So many messages took so long each."""
        self.counts[bisect_left(BOUNDS, seconds)] += count
        self.sum += seconds * count

    def cumulative(self) -> list[tuple[str, int]]:
        """Upper bound and number of observations up to it, as Prometheus has buckets."""
        total, buckets = 0, []
        for bound, count in zip([*map(str, BOUNDS), "+Inf"], self.counts, strict=True):
            total += count
            buckets.append((bound, total))
        return buckets
