"""The whole data path against the bare loop, in one run on one machine: AtLeastOnce, one worker, 150 B of JSON.

    python benchmarks/throughput.py [--messages N] [--runs N]

1,000 keys over 4 partitions, filled beforehand; a function that adds a field. Both flush and commit every second. Ours is
timed from the first response to the commit of the last message, by a reader that sees only the broker.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import orjson
from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.cluster.broker import HostBroker
from tests.support.pipeline import Pod
from tests.support.topics import Topics

KEYS, PARTITIONS = 1000, 4
VALUE = orjson.dumps({"id": 1, "value": 12.5, "sensor": "a" * 110})
FOLDER = Path(__file__).parent


def main() -> None:
    """Prints rates, ratio and memory."""
    parser = argparse.ArgumentParser(description="Measures messages a second against the bare loop.")
    parser.add_argument("--messages", type=int, default=500_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with HostBroker() as broker:
        topics = Topics(broker.bootstrap)
        source = topics.create(PARTITIONS)
        topics.produce(source, ((b"%d" % (n % KEYS), VALUE) for n in range(options.messages)))
        bare, ours = [], []
        for run in range(options.runs):
            bare.append(_bare(broker.bootstrap, source, topics.create(PARTITIONS), options.messages))
            ours.append(_ours(broker.bootstrap, source, topics.create(PARTITIONS), options.messages))
            print(f"run {run + 1}: bare loop {bare[-1]:,.0f}/s, kafkatrigger {ours[-1]:,.0f}/s")
        ratio = statistics.median(ours) / statistics.median(bare)
        print(f"median of {options.runs} on {os.cpu_count()} cores: {ratio:.2f} x the bare loop")


def _bare(bootstrap: str, source: str, target: str, count: int) -> float:
    command = [sys.executable, str(FOLDER / "bare_loop.py"), bootstrap, source, target, str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _ours(bootstrap: str, source: str, target: str, count: int) -> float:
    trigger = {
        "kafka": {"bootstrapServers": [bootstrap]},
        "source": {"topics": [source]},
        "transformation": {"function": "trivial:handler"},
        "response": {"topic": target},
        "runtime": {"workers": 1},
    }
    with Pod(trigger, functions=FOLDER) as pod:
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": pod.config.group_id})
        wheres = [TopicPartition(target, number) for number in range(PARTITIONS)]
        while not _total(consumer, wheres):
            time.sleep(0.005)
        start, before = time.monotonic(), _total(consumer, wheres)
        sources = [TopicPartition(source, number) for number in range(PARTITIONS)]
        while sum(max(0, each.offset) for each in consumer.committed(sources, timeout=10)) < count:
            time.sleep(0.02)
        rate = (count - before) / (time.monotonic() - start)
        print(f"consumer's memory at most: {pod.memory / 2**20:.0f} MiB")
        consumer.close()
        pod.stop()
        return rate


def _total(consumer: Consumer, wheres: list[TopicPartition]) -> int:
    try:
        return sum(consumer.get_watermark_offsets(where, timeout=10)[1] for where in wheres)
    except KafkaException:  # the topic is so new that a partition has no leader yet
        return 0


if __name__ == "__main__":
    main()
