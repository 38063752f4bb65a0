"""Topics of which the broker has removed messages by their keys: offsets have gaps, also at the end."""

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, numbers, spec, wait_committed
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until

COMPACTED = {
    "cleanup_policy": "compact",
    "segment_ms": "200",
    "min_cleanable_dirty_ratio": "0.001",
    "delete_retention_ms": "0",
}
KEYS = 20
ROUNDS = 5


@pytest.fixture(scope="module")
def cleaning_broker() -> Iterator[HostBroker]:
    """A broker that compacts soon."""
    with HostBroker(properties={"log.cleaner.backoff.ms": "200"}) as running:
        yield running


def _compacted(topics: Topics, broker: HostBroker) -> tuple[str, list[int]]:
    """A topic with gaps, whose end nobody can read; and what is left in it."""
    source = topics.create(1, **COMPACTED)
    for round_ in range(ROUNDS):
        start = round_ * KEYS
        topics.produce(source, [(b"k%d" % (n % KEYS), action("echo", n=n)) for n in range(start, start + KEYS)])
        time.sleep(0.3)  # a segment is closed by the first message after its time
    _append_in_vain(source, broker)
    # All of it: what is compacted while the pod reads would be missing from what it ran.
    left = until(lambda: (found := topics.read_all(source)) and len(found) == KEYS and found, 60, "compaction")
    assert left[-1].offset() < topics.ends(source)[0] - 1
    return source, numbers(left)


def _append_in_vain(source: str, broker: HostBroker) -> None:
    """A transaction that is aborted in a segment of its own: its messages go, its marker stays."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": source})
    producer.init_transactions(30)
    producer.begin_transaction()
    for number in range(5):
        producer.produce(source, b"never", b"v%d" % number)
    assert producer.flush(30) == 0
    time.sleep(0.3)
    producer.abort_transaction(30)


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_gaps_are_passed_and_the_end_is_reached(cleaning_broker: HostBroker, guarantee: str) -> None:
    topics = Topics(cleaning_broker.bootstrap)
    source, left = _compacted(topics, cleaning_broker)
    with Pod(spec(cleaning_broker, source, delivery={"guarantee": guarantee})) as pod:
        wait_committed(topics, pod, source, 60)
        pod.wait_outcomes(succeeded=len(left))
        status = pod.wait(lambda now: now.ready and now.partitions and not now.partitions[0].lag)
        assert status.partitions[0].committed == topics.ends(source)[0]
        pod.stop()
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == sorted(left)
