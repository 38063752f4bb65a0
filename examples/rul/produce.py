"""Ask for forecasts of a real record: the weekly carbon dioxide concentration at Mauna Loa, 1958 to 2001.

The record ships with statsmodels. Each message holds ten years of it, as somebody knew it at the end of these years,
and asks when a limit some ppm higher will be reached. Since the record goes on, we know when it really was: that date
travels in the header `real-crossing`, which the trigger copies to the response for `watch.py` to compare.
"""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import orjson
import pandas as pd
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from statsmodels.datasets import co2

YEARS = 10
"""Length of a window."""
STEP_MONTHS = 6
"""From one window's start to the next one's."""
MAX_WINDOWS = 60
"""The limit of the last one is still reached before the record ends."""
LIMIT_ABOVE = 4
"""Distance in ppm from the last year's mean, rounded up to whole ppm, to the limit."""
DAYS_FORECAST = 3652
ADMIN_SECONDS = 15
"""Longest wait for a broker to answer a request for a topic."""
WEEKS_A_YEAR = 52
REAL_CROSSING = "real-crossing"
"""Header with the date at which the limit was really reached."""

BAD_VALUES = (
    b'{"series": {"1958-03-29',  # not JSON
    b'{"series": {"1958-03-29": 316.1}, "limit": 320, "num_days_forecast": 30}',  # too few points
    b'{"series": {"1958-03-29": 316.1}, "num_days_forecast": 30}',  # no limit
)
"""Messages that can never succeed: each ends in the dead-letter topic with its reason."""
BAD_KEY = "mauna-loa-bad"


class Window(NamedTuple):
    """One request, and what became of it in reality."""

    key: str
    """The decade in which the window ends; stands for a machine."""
    request: dict[str, Any]
    """The message's value."""
    crossing: pd.Timestamp
    """The real crossing; see `real_crossing`."""


def windows(count: int = MAX_WINDOWS) -> list[Window]:
    """The first `count` windows of the record, always the same; at most MAX_WINDOWS."""
    if not 1 <= count <= MAX_WINDOWS:
        raise ValueError(f"there are 1 to {MAX_WINDOWS} windows, not {count}")
    record = _record()
    starts = [record.index[0] + pd.DateOffset(months=STEP_MONTHS * number) for number in range(count)]
    return [_window(record, start) for start in starts]


def real_crossing(record: pd.Series, limit: float) -> pd.Timestamp:
    """The first week in which the yearly mean was at or above the limit.

    The yearly mean of a week is the mean of the 52 weeks around it, gaps filled linearly. A single week would answer
    for its season instead: concentrations rise and fall by 6 ppm within a year, several times as much as they grow, so
    that each May is above levels to which the trend comes only years later.

    Raises `ValueError` if the record ends before.
    """
    yearly_mean = record.interpolate(method="time").rolling(WEEKS_A_YEAR, center=True).mean()
    reached = yearly_mean.index[yearly_mean >= limit]
    if reached.empty:
        raise ValueError(f"the record never reaches {limit} ppm")
    return reached[0]


@cache
def _record() -> pd.Series:
    """Parts per million by week; NaN where nothing was measured."""
    return co2.load_pandas().data["co2"]


def _window(record: pd.Series, start: pd.Timestamp) -> Window:
    end = start + pd.DateOffset(years=YEARS)
    part = record[(record.index >= start) & (record.index < end)]
    limit = math.ceil(part.iloc[-WEEKS_A_YEAR:].mean()) + LIMIT_ABOVE
    key = f"mauna-loa-{part.index[-1].year // 10 * 10}s"
    request = {
        "id": f"{part.index[0]:%Y-%m-%d}",
        "series": {f"{week:%Y-%m-%dT%H:%M:%SZ}": None if pd.isna(ppm) else ppm for week, ppm in part.items()},
        "limit": limit,
        "num_days_forecast": DAYS_FORECAST,
    }
    return Window(key, request, real_crossing(record, limit))


def create_topic(brokers: str, topic: str, partitions: int) -> str:
    """Create the topic unless it exists, with the broker's default replication; returns what was done as words.

    A cluster without a controller (librdkafka's mock broker) cannot be asked to, but makes a topic when it is named.
    """
    admin = AdminClient({"bootstrap.servers": brokers})
    cluster = admin.list_topics(timeout=ADMIN_SECONDS)
    if topic in cluster.topics:
        return f"topic {topic} exists"
    if cluster.controller_id not in cluster.brokers:
        found = admin.list_topics(topic, timeout=ADMIN_SECONDS).topics[topic]
        return f"topic {topic}: made by the broker, with {len(found.partitions)} partitions"
    admin.create_topics([NewTopic(topic, num_partitions=partitions)], request_timeout=ADMIN_SECONDS)[topic].result()
    return f"topic {topic} created with {partitions} partitions"


class Deliveries:
    """Counts acknowledgements and prints every tenth."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.acknowledged = 0
        self.errors: list[str] = []

    def __call__(self, error: KafkaError | None, _message: Message) -> None:
        """Take note of one message's fate."""
        if error is not None:
            self.errors.append(error.str())
            return
        self.acknowledged += 1
        if self.acknowledged % 10 == 0 or self.acknowledged == self.total:
            print(f"{self.acknowledged:4} of {self.total} acknowledged", flush=True)


def produce(brokers: str, topic: str, count: int, bad: bool = False) -> Deliveries:
    """Write `count` windows, and the bad messages if asked for; wait up to 30 seconds until all are acknowledged."""
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5, "message.timeout.ms": 30_000})
    requests = windows(count)
    deliveries = Deliveries(count + len(BAD_VALUES) * bad)
    for window in requests:
        headers: dict[str, str | bytes | None] = {REAL_CROSSING: f"{window.crossing:%Y-%m-%d}"}
        producer.produce(topic, orjson.dumps(window.request), window.key, headers=headers, on_delivery=deliveries)
    for value in BAD_VALUES if bad else ():
        producer.produce(topic, value, BAD_KEY, on_delivery=deliveries)
    producer.flush(35)
    return deliveries


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 if every message was acknowledged, else 1."""
    options = _parser().parse_args(arguments)
    started = time.monotonic()
    if options.create_topics:
        try:
            print(create_topic(options.brokers, options.topic, options.partitions), flush=True)
        except KafkaException as exception:
            print(f"topic {options.topic} was not created: {exception.args[0].str()}", file=sys.stderr)
            return 1
    deliveries = produce(options.brokers, options.topic, options.count, options.bad)
    missing = deliveries.total - deliveries.acknowledged
    if missing:
        reasons = ", ".join(sorted(set(deliveries.errors))) or "no answer"
        print(f"{missing} of {deliveries.total} messages were not acknowledged: {reasons}", file=sys.stderr)
        return 1
    print(f"{deliveries.total} messages written to {options.topic} in {time.monotonic() - started:.1f} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Produce windows of the Mauna Loa record, one message each.")
    parser.add_argument("--brokers", required=True, metavar="HOST:PORT", help="brokers, separated by commas")
    parser.add_argument("--topic", default="machine-data", help="topic to write to (%(default)s)")
    numbers = range(1, MAX_WINDOWS + 1)
    parser.add_argument(
        "--count", type=int, default=MAX_WINDOWS, choices=numbers, metavar="N", help="windows to write (%(default)s)"
    )
    parser.add_argument("--bad", action="store_true", help=f"also write {len(BAD_VALUES)} messages that must fail")
    parser.add_argument("--create-topics", action="store_true", help="create the topic first, unless it exists")
    parser.add_argument("--partitions", type=int, default=4, metavar="N", help="of a created topic (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
