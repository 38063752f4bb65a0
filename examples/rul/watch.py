"""Show the responses as they arrive: the crossing that the line foretold beside the one that really came.

Reads without a consumer group, so any number of people may watch and nothing of it stays at the broker.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

REAL_CROSSING = "real-crossing"
"""Header of `produce.py`, which the trigger copies to the response."""
DAYS_A_YEAR = 365.25
HEADING = f"{'key':<16} {'window':<24} {'slope/year':>10}  {'limit at':<10}  {'real':<10}  {'days off':>8}"


class Response(NamedTuple):
    """What is shown of one response."""

    id: str
    key: str
    window: str
    slope_per_year: float
    fitted: date | None
    real: date | None
    produced_at: float
    """Seconds since the epoch."""
    size: int
    """Bytes of the value."""

    @property
    def days_off(self) -> int | None:
        """Days by which the forecast is later than reality; negative when it is earlier."""
        return (self.fitted - self.real).days if self.fitted and self.real else None

    @property
    def line(self) -> str:
        """One line under HEADING."""
        fitted, real = (f"{day:%Y-%m-%d}" if day else "-" for day in (self.fitted, self.real))
        off = "-" if self.days_off is None else f"{self.days_off:+d}"
        return f"{self.key:<16} {self.window:<24} {self.slope_per_year:>+10.3f}  {fitted:<10}  {real:<10}  {off:>8}"


class Summary:
    """What was seen; the same response twice (delivery is at least once) counts once."""

    def __init__(self) -> None:
        self.responses: dict[str, Response] = {}
        self.duplicates = 0
        self.first_seen: float | None = None
        self.last = b""
        """The value of the response that came last."""

    def add(self, response: Response) -> bool:
        """True for a response not seen before."""
        if response.id in self.responses:
            self.duplicates += 1
            return False
        self.first_seen = self.first_seen or time.time()
        self.responses[response.id] = response
        return True

    @property
    def mean_error(self) -> float | None:
        """Mean absolute difference in days between forecast and reality."""
        errors = [abs(response.days_off) for response in self.responses.values() if response.days_off is not None]
        return sum(errors) / len(errors) if errors else None

    def as_json(self, expected: int) -> dict[str, Any]:
        """Times are seconds since the epoch: of the records, and, for `first_seen_time`, of this machine's clock."""
        times = [response.produced_at for response in self.responses.values()]
        return {
            "expected": expected,
            "responses": len(self.responses),
            "duplicates": self.duplicates,
            "first_response_time": min(times, default=None),
            "last_response_time": max(times, default=None),
            "first_seen_time": self.first_seen,
            "mean_absolute_error_days": self.mean_error,
            "max_response_bytes": max((response.size for response in self.responses.values()), default=None),
        }


def parse(message: Message) -> Response:
    """Read a record of the response topic."""
    value = message.value() or b""
    body = json.loads(value)
    real = dict(message.headers() or []).get(REAL_CROSSING)
    fitted = body["limit_violation_timestamp"]
    return Response(
        id=body["id"] or f"{message.partition()}-{message.offset()}",
        key=(message.key() or b"").decode(),
        window=f"{body['first_timestamp'][:10]} .. {body['last_timestamp'][:10]}",
        slope_per_year=body["slope"] * DAYS_A_YEAR,
        fitted=date.fromisoformat(fitted[:10]) if fitted else None,
        real=date.fromisoformat(real.decode()) if isinstance(real, bytes) else None,
        produced_at=message.timestamp()[1] / 1000,
        size=len(value),
    )


def records(brokers: str, topic: str, deadline: float) -> Iterator[Message]:
    """All records of the topic from its beginning on, until `time.monotonic()` reaches the deadline.

    The topic need not exist yet: the trigger creates it when its consumer starts.
    """
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "unused", "enable.auto.commit": False})
    try:
        consumer.assign(_await_partitions(consumer, topic, deadline))
        while (left := deadline - time.monotonic()) > 0:
            message = consumer.poll(min(left, 1.0))
            if message is not None and message.error() is None:
                yield message
    finally:
        consumer.close()


def _await_partitions(consumer: Consumer, topic: str, deadline: float) -> list[TopicPartition]:
    waiting_said = False
    while time.monotonic() < deadline:
        found = _partitions(consumer, topic)
        if found:
            return [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in found]
        if not waiting_said:
            print(f"waiting for topic {topic}", flush=True)
            waiting_said = True
        time.sleep(0.25)
    return []


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    try:
        topics = consumer.list_topics(timeout=2).topics  # of all topics: asking for one by name may create it
    except KafkaException as exception:
        if exception.args[0].code() not in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN):
            raise
        return []
    return sorted(topics[topic].partitions) if topic in topics else []


def watch(brokers: str, topic: str, count: int, seconds: float, since: float = 0) -> Summary:
    """Print responses until `count` different ones were seen or the time is over."""
    summary = Summary()
    print(HEADING, flush=True)
    for message in records(brokers, topic, time.monotonic() + seconds):
        response = parse(message)
        if response.produced_at >= since and summary.add(response):
            print(response.line, flush=True)
            summary.last = message.value() or b""
        if len(summary.responses) >= count:
            break
    return summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 if all expected responses came, else 1."""
    options = _parser().parse_args(arguments)
    summary = watch(options.brokers, options.topic, options.count, options.timeout, options.since)
    if summary.mean_error is not None:
        print(f"forecast and reality are {summary.mean_error:.0f} days apart on average")
    if options.summary:
        options.summary.write_text(json.dumps(summary.as_json(options.count)) + "\n", encoding="utf-8")
    if options.last:
        options.last.write_bytes(summary.last)
    if len(summary.responses) < options.count:
        print(f"only {len(summary.responses)} of {options.count} came in {options.timeout:g} s", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Print the responses of the example as they arrive.")
    parser.add_argument("--brokers", required=True, metavar="HOST:PORT", help="brokers, separated by commas")
    parser.add_argument("--topic", default="rul-results", help="topic of the responses (%(default)s)")
    parser.add_argument("--count", type=int, default=60, metavar="N", help="responses to wait for (%(default)s)")
    parser.add_argument("--timeout", type=float, default=60, metavar="SECONDS", help="longest wait (%(default)s)")
    parser.add_argument(
        "--since",
        type=float,
        default=0,
        metavar="EPOCH",
        help="ignore responses produced before this time, in seconds since the epoch: those of an earlier run",
    )
    parser.add_argument("--summary", type=Path, metavar="FILE", help="write what was seen to a file, as JSON")
    parser.add_argument("--last", type=Path, metavar="FILE", help="write the response that came last to a file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
