"""What a consumer and a producer can do at most: one process, no tracking, no isolation, a fixed function.

    python benchmarks/bare_loop.py BOOTSTRAP SOURCE TARGET MESSAGES

Consumes, decodes, adds a field, encodes, produces, flushes and commits every second. Prints messages a second.
"""

import sys
import time
import uuid

import orjson
from confluent_kafka import Consumer, Producer

BATCH = 2000


def run(bootstrap: str, source: str, target: str, count: int) -> float:
    """Messages a second, from the first to the acknowledgement of the last."""
    common = {"bootstrap.servers": bootstrap}
    options = {"linger.ms": 5, "queue.buffering.max.messages": 1_000_000, "batch.size": 1_000_000}
    producer = Producer({**common, **options, "enable.idempotence": True})
    reading = {"auto.offset.reset": "earliest", "enable.auto.commit": False, "fetch.queue.backoff.ms": 10}
    consumer = Consumer({**common, **reading, "group.id": uuid.uuid4().hex})
    consumer.subscribe([source])
    done, start, last = 0, 0.0, 0.0
    while done < count:
        messages = consumer.consume(BATCH, 1.0)
        if not messages:
            continue
        if not done:
            start = last = time.monotonic()
        results = []
        for message in messages:
            value = orjson.loads(message.value())
            value["result"] = value["value"] * 2
            results.append({"value": orjson.dumps(value), "key": message.key()})
        assert producer.produce_batch(target, results) == len(results)
        producer.poll(0)
        done += len(messages)
        if time.monotonic() - last > 1:
            producer.flush()
            consumer.commit(asynchronous=True)
            last = time.monotonic()
    producer.flush()
    rate = count / (time.monotonic() - start)
    consumer.close()
    return rate


if __name__ == "__main__":
    print(run(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
