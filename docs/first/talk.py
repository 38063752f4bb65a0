"""Writes a few messages and reads a few: what the first trigger is tried with.

python docs/first/talk.py send numbers 1 2 3      writes {"n": 1}, {"n": 2} and {"n": 3}, and makes the topic if needed
python docs/first/talk.py receive doubled 3       prints three messages of the topic, from its beginning on

The brokers are those of the environment variable KAFKA, by default 127.0.0.1:9092.
"""

import json
import os
import sys
import time
from collections.abc import Sequence

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

BROKERS = os.environ.get("KAFKA", "127.0.0.1:9092")
SECONDS = 60


def main(arguments: Sequence[str]) -> str | None:
    """Does what the arguments say; a sentence where that cannot be done."""
    match arguments:
        case ["send", topic, *numbers] if numbers:
            return send(topic, [int(number) for number in numbers])
        case ["receive", topic, count]:
            return receive(topic, int(count))
    return __doc__


def send(topic: str, numbers: Sequence[int]) -> str | None:
    """One message for each number, all with the same key, so that their order is kept."""
    admin = AdminClient({"bootstrap.servers": BROKERS})
    if topic not in admin.list_topics(timeout=10).topics:
        admin.create_topics([NewTopic(topic, 2)])[topic].result()
    producer = Producer({"bootstrap.servers": BROKERS})
    for number in numbers:
        producer.produce(topic, json.dumps({"n": number}), "demo")
    return f"no broker of {BROKERS} answers" if producer.flush(10) else None


def receive(topic: str, count: int) -> str | None:
    """Prints key and value of the first messages."""
    consumer = Consumer({
        "bootstrap.servers": BROKERS,
        "group.id": f"talk-{time.time_ns()}",
        "auto.offset.reset": "earliest",
    })  # fmt: skip
    consumer.subscribe([topic])
    deadline = time.monotonic() + SECONDS
    while count and time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            sys.stdout.write(f"{(message.key() or b'').decode()} {(message.value() or b'').decode()}\n")
            count -= 1
    consumer.close()
    return f"{count} messages are missing on {topic} after {SECONDS} s" if count else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
