"""Where a partition starts, and what happens when that is not there any more."""

import time
from functools import partial

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from kafkatrigger.api.checkpoint import Checkpoint, Mark
from kafkatrigger.api.pod_status import PartitionStatus
from kafkatrigger.consumer.offsets import RETRYING, Origin, Parked, Position, encode_metadata, lane_of, start
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
        assert {each.started for each in pod.status_now().partitions} == {"InitialOffsetResetPolicy"}
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
        reasons = {each.partition: each.started for each in pod.status_now().partitions}
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
        lost = _lost_offsets(pod)
        pod.stop()
        assert "15 offsets are lost: continuing at 25" in pod.logs
        assert lost == 15
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


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_a_topic_that_was_made_anew_starts_at_its_beginning(broker: HostBroker, topics: Topics, guarantee: str) -> None:
    """A committed offset that outlived its topic speaks of a log that is no more; in the new one it would skip messages."""
    source = topics.create(1)
    topics.produce(source, numbered(30))
    group = f"g.{source}"
    metadata, _ = encode_metadata(Origin("Committed", b"another topic id"), start(20))
    _commit(broker, group, TopicPartition(source, 0, 20, metadata))
    with Pod(spec(broker, source, source={"groupId": group}, delivery={"guarantee": guarantee})) as pod:
        assert sorted(numbers(topics.read(f"{source}.out", 30))) == list(range(30))
        assert [each.started for each in pod.status_now().partitions] == ["TopicRecreated"]
        pod.stop()


@pytest.mark.parametrize(
    ("protocol", "guarantee"),
    [("Consumer", "AtLeastOnce"), ("Classic", "AtLeastOnce"), ("Consumer", "ExactlyOnce"), ("Classic", "ExactlyOnce")],
)
@pytest.mark.parametrize("count", [10, 50])
def test_a_topic_that_is_made_anew_while_the_trigger_runs(
    broker: HostBroker, topics: Topics, count: int, protocol: str, guarantee: str
) -> None:
    """Whether its log ends before the offset that was to be read next or after it: all of it is another one.

    What was read before that was noticed runs again.
    """
    source = topics.create(1)
    topics.produce(source, numbered(20))
    with Pod(spec(broker, source, source={"groupProtocol": protocol}, delivery={"guarantee": guarantee})) as pod:
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 20}, 60)
        # A topic that is just made has no id that every broker knows, and without one nobody could tell it from the next.
        pod.wait(lambda now: all(each.topic_id for each in now.partitions))
        topics.delete(source)
        topics.create_named(source, 1)
        topics.produce(source, numbered(count, start=20))
        wanted = set(range(20 + count))
        until(lambda: set(numbers(topics.read_all(f"{source}.out"))) == wanted, 60, "answers to all messages")
        until(lambda: topics.committed(pod.config.group_id, source) == {0: count}, 20)
        status = pod.status_now()
        pod.stop()
        assert "the brokers lost" not in pod.logs
    assert [each.started for each in status.partitions] == ["TopicRecreated"]
    assert "made anew" in status.log_change


@pytest.mark.parametrize(
    "position",
    [
        Position(15, 40, [(15, 16)]),
        Position(15, 40, [], [Parked(lane_of("Key", b"k15", 15), 15, 40, 1, RETRYING)]),
    ],
)
def test_a_log_that_lost_its_end_goes_on_at_what_there_is(
    broker: HostBroker, topics: Topics, position: Position
) -> None:
    """As after the election of a replica that was behind: what a commit says of offsets beyond is of messages that are gone."""
    source = topics.create(1)
    topics.produce(source, numbered(20))
    group = f"g.{source}"
    metadata, _ = encode_metadata(Origin("Committed"), position)
    _commit(broker, group, TopicPartition(source, 0, 15, metadata))
    with Pod(spec(broker, source, source={"groupId": group})) as pod:
        pod.wait_ready()
        topics.produce(source, numbered(30, start=20))
        answers = topics.read(f"{source}.out", 35)
        status = pod.status_now()
        pod.stop()
    # 15 was open, or waited for a retry; what the commit took for terminal up to 40 are other messages now.
    assert sorted(numbers(answers)) == list(range(15, 50))
    assert [each.started for each in status.partitions] == ["LogTruncated"]
    assert "the brokers lost messages at the end of the log" in status.log_change


def test_a_group_that_was_deleted_goes_on_at_its_checkpoint(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(2)
    base = round(time.time() * 1000) - 100_000
    for n in range(60):
        topics.produce(source, numbered(1, start=n), timestamp=base + n * 1000)
    trigger = spec(broker, source, source={"groupId": f"g.{source}", "initialOffsetResetPolicy": "latest"})
    earliest = spec(broker, source, source={"groupId": f"g.{source}"})
    with Pod(earliest) as pod:
        until(lambda: sum(topics.committed(pod.config.group_id, source).values()) == 60, 60)
        marks = until(lambda: _marks(pod, source, 60))
        pod.stop()
    ends = topics.ends(source)
    assert {int(number): mark.offset for number, mark in marks[source].items()} == ends
    topics.produce(source, numbered(20, start=60))
    _forget(broker, f"g.{source}")
    with Pod(trigger, checkpoint=marks) as pod:
        assert sorted(numbers(topics.read(f"{source}.out", 80))) == list(range(80))
        assert {each.started for each in pod.status_now().partitions} == {"CheckpointOffset"}
        pod.stop()
    _forget(broker, f"g.{source}")
    by_time = {source: {number: Mark(-1, mark.timestamp) for number, mark in marks[source].items()}}
    with Pod(trigger, checkpoint=by_time) as pod:
        again = sorted(numbers(topics.read(f"{source}.out", 80 + 20)))
        assert {each.started for each in pod.status_now().partitions} == {"CheckpointTimestamp"}
        pod.stop()
    assert set(range(60, 80)) <= set(again)
    # The marks were close to the end: of each partition one message of those before ran again.
    assert len(again) <= 80 + 20 + 2


def test_a_checkpoint_that_retention_overtook_says_what_is_lost(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.produce(source, numbered(40))
    topics.delete_before(source, 0, 25)
    with Pod(spec(broker, source), checkpoint={source: {"0": Mark(5)}}) as pod:
        assert sorted(numbers(topics.read(f"{source}.out", 15))) == list(range(25, 40))
        assert (_only(pod).started, _lost_offsets(pod)) == ("CheckpointOffset", 20)
        assert "20 offsets are lost: continuing at 25" in pod.status_now().log_change
        pod.stop()


@pytest.mark.parametrize("text", [b"[", b'{"t":{"0":["5"]}}', b""])
def test_a_checkpoint_that_cannot_be_read_ends_the_process(broker: HostBroker, topics: Topics, text: bytes) -> None:
    """To start without it would skip messages, or run them again. Once it is mended, the next process goes on there."""
    source = topics.create(1)
    topics.produce(source, numbered(30))
    trigger = spec(broker, source, source={"groupId": f"g.{source}", "initialOffsetResetPolicy": "latest"})
    with Pod(trigger, checkpoint=msgspec.Raw(text)) as pod:
        assert pod.consumer.wait(60) > 0
        assert "cannot be read" in pod.logs
        assert "correct or delete its ConfigMap" in pod.logs
        assert topics.committed(f"g.{source}", source) == {}
        pod.remember({source: {"0": Mark(10)}})
        pod.start_consumer()
        assert sorted(numbers(topics.read(f"{source}.out", 20))) == list(range(10, 30))
        assert _only(pod).started == "CheckpointOffset"
        pod.stop()


def test_a_checkpoint_that_cannot_be_read_keeps_nobody_from_what_is_committed(
    broker: HostBroker, topics: Topics
) -> None:
    source = topics.create(1)
    topics.produce(source, numbered(30))
    _commit(broker, f"g.{source}", TopicPartition(source, 0, 20))
    with Pod(spec(broker, source, source={"groupId": f"g.{source}"}), checkpoint=msgspec.Raw(b"[")) as pod:
        assert sorted(numbers(topics.read(f"{source}.out", 10))) == list(range(20, 30))
        pod.stop()


def test_the_mark_of_a_partition_waits_for_what_is_open(broker: HostBroker, topics: Topics) -> None:
    """Its time is of a message below the watermark, however far reading has got."""
    source = topics.create(1)
    base = round(time.time() * 1000) - 100_000
    topics.produce(source, numbered(5), timestamp=base)
    topics.produce(source, [(b"k", action("sleep", seconds=6, n=5))], timestamp=base + 1000)
    with Pod(spec(broker, source)) as pod:
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 5}, 60)
        topics.produce(source, numbered(50, start=6), timestamp=base + 2000)
        until(lambda: _only(pod).end == 56, 20)
        assert (_only(pod).committed, _only(pod).timestamp) == (5, base)
        until(lambda: _only(pod).committed == 56, 30)
        assert _only(pod).timestamp == base + 2000
        pod.stop()


@pytest.mark.parametrize("protocol", ["Consumer", "Classic"])
def test_topics_by_pattern(broker: HostBroker, topics: Topics, protocol: str) -> None:
    """None matches at first, which is no trouble; then one does, and then another, while Kafka's own and others never do."""
    prefix = topics.create(1, "other")
    first, second, internal, longer = f"{prefix}.a", f"{prefix}.b", f"__{prefix}.a", f"{prefix}.ab"
    trigger = spec(broker, prefix, source={"groupProtocol": protocol, "initialOffsetResetPolicy": "latest"})
    trigger["source"] = {**trigger["source"], "topicPattern": f"_*{prefix}\\.[ab]"}
    del trigger["source"]["topics"]
    with Pod(trigger, checkpoint={"gone": {"0": Mark(5)}}) as pod:
        pod.wait_ready()
        assert f"no topic matches _*{prefix}" in pod.status_now().message
        for begin, topic in ((0, internal), (100, longer), (200, first)):
            topics.create_named(topic, 2)
            topics.produce(topic, numbered(10, start=begin))
        assert sorted(numbers(topics.read(f"{prefix}.out", 10, 60))) == list(range(200, 210))
        topics.create_named(second, 1)
        topics.produce(second, numbered(10, start=300))
        wanted = [*range(200, 210), *range(300, 310)]
        assert sorted(numbers(topics.read(f"{prefix}.out", 20, 60))) == wanted
        held = pod.status_now().partitions
        pod.stop()
    # They were made after the checkpoint: `latest` is for what was there before.
    assert {(each.topic, each.started) for each in held} == {(first, "NewPartition"), (second, "NewPartition")}


def _lost_offsets(pod: Pod) -> float:
    """By its metrics."""
    samples = (line.split() for line in pod.get("/metrics")[1].splitlines())
    (value,) = (words[1] for words in samples if words[0].startswith("kafkatrigger_lost_offsets_total{"))
    return float(value)


def _only(pod: Pod) -> PartitionStatus:
    (found,) = pod.status_now().partitions
    return found


def _marks(pod: Pod, source: str, count: int) -> Checkpoint | None:
    """The checkpoint that the operator would make of the pod's status, once that tells of so many offsets."""
    status = pod.status
    if status is None or sum(each.committed or 0 for each in status.partitions) != count:
        return None
    return {
        source: {
            str(each.partition): Mark(each.committed or 0, each.timestamp, each.topic_id) for each in status.partitions
        }
    }


def _forget(broker: HostBroker, group: str) -> None:
    """What is committed is no more."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.delete_consumer_groups([group])[group].result()


def _commit(broker: HostBroker, group: str, at: TopicPartition) -> None:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    consumer.commit(offsets=[at], asynchronous=False)
    consumer.close()
