"""Where partitions start, against a reference written from the rules: every rule, on logs of every shape, on a real broker."""

import uuid
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from kafkatrigger.api.checkpoint import Checkpoint, Mark
from kafkatrigger.api.configure import consumer_config
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.api.start_policy import StartPolicy
from kafkatrigger.consumer.offsets import Origin, encode_metadata, start
from kafkatrigger.consumer.source import Source
from kafkatrigger.consumer.start import Policy
from tests.cluster.broker import HostBroker
from tests.integration.consumer.logs import Log, Logs
from tests.integration.consumer.triggers import spec
from tests.soak.sessions import QUICK_SESSIONS
from tests.support.waiting import until

QUICK = {"fetch.wait.max.ms": "10"}
"""A broker answers what is asked behind a fetch on the same connection only when that fetch is over."""

FUTURE = 4_102_444_800_000
BEFORE = "Before"
"""The reason that a commit told of."""


class Commit(msgspec.Struct, frozen=True):
    """What the group has of a partition."""

    offset: int
    foreign: bool = False
    """Made by another program, so without metadata."""


class Case(msgspec.Struct, frozen=True):
    """What is remembered of a partition. Numbers of messages stand for their timestamps."""

    commit: Commit | None = None
    offset: int | None = None
    message: int | None = None

    def mark(self, log: Log) -> Mark | None:
        """Its entry in the checkpoint."""
        if self.offset is None:
            return None
        return Mark(self.offset, None if self.message is None else stamp(log, self.message), log.former_id.hex())


COMMITS = (Commit(6), Commit(6, foreign=True), Commit(1), Commit(99))
CASES = [
    Case(),
    Case(None, 4, 2),
    Case(None, 4),
    Case(None, 0),
    Case(None, 1, 0),  # below the beginning of one that is trimmed
    Case(None, -1, 3),
    Case(None, 99, 3),  # beyond the end
    Case(None, 99),
    Case(None, -1, 1000),
    Case(None, -1),
    *(Case(commit, *mark) for commit in COMMITS for mark in ((), (4, 2))),
]


Shapes = dict[str, tuple[str, list[Log]]]
"""Shape -> topic and its partitions."""


class Trigger(msgspec.Struct, frozen=True):
    """What the spec says, the same for all topics, and whether there is a checkpoint."""

    initial: str
    timestamps: str
    """none, own, or others: those of partitions that are not there."""
    has_checkpoint: bool

    def policy(self, logs: Shapes) -> StartPolicy:
        """Times of messages in each log."""
        stamps = {
            topic: {
                "none": {},
                "own": {str(number): stamp(log, number % 9) for number, log in enumerate(partitions)},
                "others": {"998": stamp(partitions[0], 7), "999": stamp(partitions[0], 5)},
            }[self.timestamps]
            for topic, partitions in logs.values()
        }
        middle = str(stamp(logs["normal"][1][0], 4))
        return StartPolicy({"time": middle, "future": str(FUTURE)}.get(self.initial, self.initial), stamps)


def stamp(log: Log, message: int) -> int:
    """The timestamp of a message, by its place in the log; in the future beyond all of them."""
    return log.messages[message][1] if message < len(log.messages) else FUTURE


def reference(
    log: Log, policy: StartPolicy, case: Case, mark: Mark | None, has_checkpoint: bool, topic: str, number: int
) -> tuple[int, str]:
    """Offset and reason by the rules, from what a reader of the whole log has seen."""
    if case.commit:
        return of_commit(log, case.commit)
    if mark and mark.topic_id != log.topic_id.hex():
        return log.low, "TopicRecreated"
    if mark and mark.offset in range(log.end + 1):
        return max(mark.offset, log.low), "CheckpointOffset"
    if mark and mark.timestamp is not None:
        return since(log, mark.timestamp), "CheckpointTimestamp"
    if has_checkpoint and not mark:
        return log.low, "NewPartition"
    if stamps := policy.timestamps[topic]:
        return since(log, stamps.get(str(number), min(stamps.values()))), "PartitionTimestamps"
    offset = {"earliest": log.low, "latest": log.end}.get(policy.initial)
    return since(log, int(policy.initial)) if offset is None else offset, "InitialOffsetResetPolicy"


def of_commit(log: Log, commit: Commit) -> tuple[int, str]:
    if not commit.foreign and log.former_id != log.topic_id:
        return log.low, "TopicRecreated"
    if commit.offset > log.end:
        return log.end, "LogTruncated"
    return max(commit.offset, log.low), "Committed" if commit.foreign else BEFORE


def since(log: Log, timestamp: int) -> int:
    return next((offset for offset, each in log.messages if each >= timestamp), log.end)


class Member:
    """A source that reads until it saw of each partition a message or the end."""

    def __init__(self, broker: HostBroker, logs: Shapes, trigger: Trigger, folder: Path) -> None:
        self.logs = dict(logs.values())
        self.trigger = trigger
        self.group = f"g.{uuid.uuid4().hex}"
        self.bootstrap = broker.bootstrap
        self.policy = trigger.policy(logs)
        self.first: dict[tuple[str, int], int | None] = {}
        self.marks = self._checkpoint()
        folder.mkdir()
        (folder / "0.json").write_bytes(msgspec.json.encode(self.marks))
        self._commit()
        self.source = self._source(folder)

    def _checkpoint(self) -> Checkpoint:
        if not self.trigger.has_checkpoint:
            return {}
        found: Checkpoint = {"another": {"0": Mark(5)}}
        for name, logs in self.logs.items():
            marks = {str(number): case.mark(log) for number, (case, log) in enumerate(zip(CASES, logs, strict=True))}
            found[name] = {number: mark for number, mark in marks.items() if mark}
        return found

    def _commit(self) -> None:
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.group})
        commits = [
            TopicPartition(name, number, case.commit.offset, _metadata(case.commit, logs[number]))
            for name, logs in self.logs.items()
            for number, case in enumerate(CASES)
            if case.commit
        ]
        consumer.commit(offsets=commits, asynchronous=False)
        consumer.close()

    def _source(self, folder: Path) -> Source:
        class Named:  # what `spec` wants of a broker
            bootstrap = self.bootstrap

        raw = spec(Named, "unused", source={"topics": list(self.logs), "groupId": self.group, "options": QUICK})  # type: ignore[arg-type]
        config = consumer_config("tests", "starts", KafkaTriggerSpec.model_validate(raw))
        policy = Policy(self.policy, config.redrive_topic, 7, folder)
        return Source(config, policy, lambda _: None, lambda _: None, lambda: None, lambda _: None)

    def step(self) -> bool:
        """Reads a little; whether all is known."""
        read = self.source.read(0)
        for message in [each for run in read for each in (run if isinstance(run, list) else [run])]:
            place = message.topic(), message.partition()
            if message.error() is None:
                self.first.setdefault(place, message.offset())
                self.source.partitions[place].end = message.offset() + 1
                continue
            if message.error().code() == KafkaError._PARTITION_EOF:
                self.first.setdefault(place, None)
            self.source.report(message)
        return len(self.first) == len(self.logs) * len(CASES)

    def check(self) -> None:
        """Compares what was seen with the reference."""
        wrong = []
        for (name, logs), (number, case) in product(self.logs.items(), enumerate(CASES)):
            log = logs[number]
            mark = self.marks.get(name, {}).get(str(number))
            offset, reason = reference(log, self.policy, case, mark, self.trigger.has_checkpoint, name, number)
            wanted = log.first_from(offset), reason
            partition = self.source.partitions[name, number]
            found = self.first[name, number], partition.origin.reason
            if found != wanted:
                wrong.append((name, case, mark, "found", found, "wanted", wanted, log))
            if case.commit is None:  # by time it may start at a message of a transaction that was aborted
                begin = partition.restored.watermark
                assert begin <= log.end and log.first_from(begin) == wanted[0], (name, case)
        assert not wrong, (self.trigger, len(wrong), wrong[:3])

    def check_commits(self) -> None:
        """What was decided was committed, with its reason."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.group})
        places = [TopicPartition(name, number) for name in self.logs for number in range(len(CASES))]
        for each in consumer.committed(places, timeout=10):
            partition = self.source.partitions[each.topic, each.partition]
            if CASES[each.partition].commit is None:
                metadata, _ = encode_metadata(partition.origin, start(each.offset))
                assert (each.offset, each.metadata) == (partition.restored.watermark, metadata)
        consumer.close()


def _metadata(commit: Commit, log: Log) -> str:
    return "" if commit.foreign else encode_metadata(Origin(BEFORE, log.former_id), start(commit.offset))[0]


@pytest.fixture(scope="module")
def own_broker() -> Iterator[HostBroker]:
    """One that compacts at once."""
    with HostBroker(properties={**QUICK_SESSIONS, "log.cleaner.backoff.ms": "50"}) as running:
        yield running


@pytest.fixture(scope="module")
def logs(own_broker: HostBroker) -> Shapes:
    """A topic of each shape."""
    made = Logs(own_broker.bootstrap, len(CASES))
    return {shape: made.make(shape) for shape in Logs.SHAPES}


def test_every_combination(own_broker: HostBroker, logs: Shapes, tmp_path: Path) -> None:
    triggers = [
        Trigger(*each)
        for each in product(("earliest", "latest", "time", "future"), ("none", "own", "others"), (False, True))
    ]
    members = [Member(own_broker, logs, each, tmp_path / str(number)) for number, each in enumerate(triggers)]
    until(lambda: {each.step() for each in members} == {True}, 90, "all partitions of all groups")
    for each in members:
        each.check()
        each.check_commits()
        each.source.close()
