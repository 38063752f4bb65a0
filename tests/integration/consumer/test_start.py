"""Where a partition starts, and what happens when that is not there any more."""

from functools import partial

from confluent_kafka import Consumer, Producer, TopicPartition

from kafkatrigger.consumer.offsets import Origin, encode_metadata, start
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, numbered, numbers, spec
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until


def test_latest_takes_what_arrives_right_after_the_start(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(2)
    topics.produce(source, numbered(100))
    trigger = spec(
        broker,
        source,
        source={"groupId": f"g.{source}", "initialOffsetResetPolicy": "latest", "groupProtocol": "Classic"},
    )
    with Pod(trigger) as pod:
        pod.wait_ready()
        # Committed at once, with nothing read: what arrives while nobody runs is not skipped.
        assert sum(topics.committed(pod.config.group_id, source).values()) == 100
        assert {each.started for each in until(lambda: pod.status).partitions} == {"InitialOffsetResetPolicy"}
        pod.kill()
    topics.produce(source, numbered(50, start=100))
    with Pod(trigger) as pod:
        assert sorted(numbers(topics.read(f"{source}.out", 50, 90))) == list(range(100, 150))
        pod.stop()


def test_partition_timestamps_and_a_partition_without_its_own(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(3)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    base = 1_760_000_000_000
    for n in range(30):
        partition, minute = n % 3, n // 3
        producer.produce(source, action("echo", n=n), b"k", partition=partition, timestamp=base + minute * 60_000)
    assert producer.flush(30) == 0
    stamps = {source: {"0": base + 8 * 60_000, "1": base + 5 * 60_000 - 1}}
    with Pod(spec(broker, source, source={"partitionTimestamps": stamps})) as pod:
        answers = topics.read(f"{source}.out", 2 + 5 + 5)
        reasons = {each.partition: each.started for each in until(lambda: pod.status).partitions}
        pod.stop()
    found = sorted((n % 3, n // 3) for n in numbers(answers))
    assert found == [(0, m) for m in (8, 9)] + [(1, m) for m in range(5, 10)] + [(2, m) for m in range(5, 10)]
    assert set(reasons.values()) == {"PartitionTimestamps"}


def test_a_time_as_initial_policy(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    old, new = 1_700_000_000_000, 1_760_000_000_000
    topics.produce(source, numbered(10), timestamp=old)
    topics.produce(source, numbered(10, start=10), timestamp=new)
    policy = {"initialOffsetResetPolicy": "2025-01-01T00:00:00Z"}
    with Pod(spec(broker, source, source=policy)) as pod:
        assert sorted(numbers(topics.read(f"{source}.out", 10))) == list(range(10, 20))
        pod.stop()


def test_what_retention_removed_is_reported_and_the_rest_is_run(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.produce(source, numbered(10))
    trigger = spec(broker, source, source={"groupId": f"g.{source}"})
    with Pod(trigger) as pod:
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 10}, 60)
        pod.stop()
    topics.produce(source, numbered(30, start=10))
    topics.delete_before(source, 0, 25)
    with Pod(trigger) as pod:
        answers = topics.read(f"{source}.out", 10 + 15)
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 40}, 20)
        pod.stop()
        assert "15 offsets are lost: continuing at 25" in pod.logs
    assert sorted(numbers(answers)) == [*range(10), *range(25, 40)]


def test_aborted_transactions_and_their_markers_do_not_hold_the_watermark(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": source})
    producer.init_transactions(30)
    for transaction in range(10):
        producer.begin_transaction()
        for key, value in numbered(20, start=transaction * 20):
            producer.produce(source, value, key)
        if transaction % 2:
            producer.flush(30)
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
    end = topics.count(source)
    assert end == 10 * 21
    with Pod(spec(broker, source)) as pod:
        until(lambda: topics.committed(pod.config.group_id, source) == {0: end}, 60, "a watermark at the end")
        answers = topics.read_all(f"{source}.out")
        until(lambda: (now := pod.status) and [each.lag for each in now.partitions] == [0], 10)
        pod.stop()
    assert sorted(numbers(answers)) == [n for n in range(200) if n // 20 % 2 == 0]


def test_an_end_of_the_log_that_was_queued_behind_messages_does_not_skip_them(
    broker: HostBroker, topics: Topics
) -> None:
    """While a message runs and nothing more may be read, the client fetches the next ones and then finds the end."""
    source = topics.create(1)
    with Pod(spec(broker, source, delivery={"maxInFlight": 1})) as pod:
        pod.wait_ready()
        for done in range(0, 33, 11):
            topics.produce(source, [(b"k", action("sleep", seconds=0.9, n=done))])
            topics.produce(source, numbered(10, start=done + 1))
            wanted = {0: done + 11}
            until(partial(_is_committed, topics, pod, source, wanted), 60)
        assert sorted(numbers(topics.read_all(f"{source}.out"))) == list(range(33))
        pod.stop()


def _is_committed(topics: Topics, pod: Pod, source: str, wanted: dict[int, int]) -> bool:
    return topics.committed(pod.config.group_id, source) == wanted


def test_a_topic_that_was_made_anew_starts_at_its_beginning(broker: HostBroker, topics: Topics) -> None:
    """A committed offset that outlived its topic speaks of a log that is no more; in the new one it would skip messages."""
    source = topics.create(1)
    topics.produce(source, numbered(30))
    group = f"g.{source}"
    metadata, _ = encode_metadata(Origin("Committed", b"another topic id"), start(20))
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(source, 0, 20, metadata)], asynchronous=False)
    consumer.close()
    with Pod(spec(broker, source, source={"groupId": group})) as pod:
        assert sorted(numbers(topics.read(f"{source}.out", 30))) == list(range(30))
        assert [each.started for each in until(lambda: pod.status).partitions] == ["TopicRecreated"]
        pod.stop()
