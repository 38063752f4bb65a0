"""Writes messages at a steady rate and says at the end how many.

    python generate.py BOOTSTRAP TOPIC MESSAGES_PER_SECOND SECONDS BYTES

`at` in each value is the time of its production in seconds since the epoch, and the message's timestamp. A rate that the
machine does not keep up with is kept on average: what was late is sent at once, with the time at which it is sent.
"""

import sys
import time
from typing import Any

from confluent_kafka import Producer

KEYS = 1000
TICK = 0.001
"""Seconds between bursts; the resolution of Kafka's timestamps."""


def main(bootstrap: str, topic: str, rate: int, seconds: float, size: int) -> int:
    """Runs to its end; returns how many messages were acknowledged."""
    # Without lingering each message is a request of its own: 5,000 of them a second keep a broker that has two cores busy,
    # and what is measured is its queue (p50 of 2.6 s with no contestant at all; 2 ms with this).
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 2, "partitioner": "murmur2_random", "acks": 1})
    keys = [b"%d" % number for number in range(KEYS)]
    start, sent, total = time.monotonic(), 0, round(rate * seconds)
    while sent < total:
        due = min(total, int((time.monotonic() - start + TICK) * rate))
        for n in range(sent, due):
            now = time.time()
            head = b'{"n":%d,"at":%.6f,"value":%d.5,"note":"' % (n, now, n % 20)
            value = head + b"x" * (size - len(head) - 2) + b'"}'
            while not produced(producer, topic, value, keys[n % KEYS], timestamp=int(now * 1000)):
                producer.poll(0.01)
        sent = max(sent, due)
        producer.poll(0)
        time.sleep(max(0.0, start + sent / rate - time.monotonic()))
    assert producer.flush(60) == 0
    return total


def produced(producer: Producer, *message: Any, **more: Any) -> bool:
    """Whether the client had room for it."""
    try:
        producer.produce(*message, **more)
    except BufferError:
        return False
    return True


if __name__ == "__main__":
    bootstrap, topic, rate, seconds, size = sys.argv[1:]
    print(main(bootstrap, topic, int(rate), float(seconds), int(size)))
