"""The commits of a source: what is sent, and what is known once it is answered."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from kafkatrigger.api.configure import consumer_config
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.api.start_policy import StartPolicy
from kafkatrigger.consumer import commits, source
from kafkatrigger.consumer.offsets import Origin, Position, decode_metadata, start
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.source import Source
from kafkatrigger.consumer.start import Policy

CONFIG = consumer_config(
    "tests",
    "commits",
    KafkaTriggerSpec.model_validate(
        {
            "kafka": {"bootstrapServers": ["nobody:9092"]},
            "source": {"topics": ["t"]},
            "transformation": {"function": "none:none"},
            "response": {"topic": "t.out"},
            "delivery": {"deadLetter": {"topic": "t.dlq"}},
        }
    ),
)
GAPS = Position(3, 10, [(3, 5), (7, 8)])


POLICY = Policy(StartPolicy("earliest", {}), "g.redrive", 0)


class FakeConsumer:
    """Remembers commits, and answers them at command."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.on_commit = settings["on_commit"]
        self.commits: list[list[TopicPartition]] = []
        self.errors: list[KafkaError] = []

    def subscribe(self, *_: Any, **__: Any) -> None:
        """Nothing to do."""

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        self.commits.append(offsets)
        if self.errors:
            raise KafkaException(self.errors.pop())
        return [] if asynchronous else offsets

    def answer(self, number: int, error: int | None = None) -> None:
        self.on_commit(None if error is None else KafkaError(error), self.commits[number])


class World:
    def __init__(self) -> None:
        self.source = Source(CONFIG, POLICY, lambda _: None, lambda _: None, lambda: None, lambda _: None)
        self.partition = Partition("t", 0, 0, Origin("Committed"), start(0), leader_epoch=4)
        self.source.partitions["t", 0] = self.partition

    @property
    def consumer(self) -> Any:
        return self.source._consumer

    def commit(self, at: Position) -> None:
        self.source.commit([(self.partition, at)])

    @property
    def numbers(self) -> tuple[int, int]:
        return self.partition.commits_sent, self.partition.commits_done


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(source, "Consumer", FakeConsumer)
    monkeypatch.setattr(commits, "COMMIT_PAUSE", 0.0)
    return World()


def test_a_commit_says_all_of_a_position_and_the_leaders_epoch(world: World) -> None:
    world.commit(GAPS)
    ((sent,),) = world.consumer.commits
    assert (sent.topic, sent.partition, sent.offset, sent.leader_epoch) == ("t", 0, 3, 4)
    assert decode_metadata(sent.offset, sent.metadata)[1] == GAPS


def test_a_commit_is_done_when_it_is_answered(world: World) -> None:
    world.commit(GAPS)
    assert (world.numbers, world.partition.committed) == ((1, 0), None)
    world.consumer.answer(0)
    assert (world.numbers, world.partition.committed) == ((1, 1), GAPS)
    world.commit(GAPS)
    assert len(world.consumer.commits) == 1, "nothing changed"


def test_what_changes_while_a_commit_is_under_way_is_committed_after_it(world: World) -> None:
    world.commit(start(3))
    world.commit(GAPS)
    assert world.numbers == (1, 0)
    world.consumer.answer(0)
    assert world.partition.committed == start(3)
    world.commit(GAPS)
    world.consumer.answer(1)
    assert (world.numbers, world.partition.committed) == ((2, 2), GAPS)


def test_a_commit_that_fails_is_repeated(world: World) -> None:
    world.commit(GAPS)
    world.consumer.answer(0, KafkaError.REBALANCE_IN_PROGRESS)
    assert (world.numbers, world.partition.committed) == ((1, 0), None)
    world.consumer.errors.append(KafkaError(KafkaError._TIMED_OUT))
    world.commit(GAPS)
    assert world.numbers == (1, 0)
    world.commit(GAPS)
    world.consumer.answer(2)
    assert (world.numbers, world.partition.committed) == ((2, 2), GAPS)


def test_the_last_commit_waits_and_is_tried_again_while_the_group_moves(world: World) -> None:
    world.commit(start(3))
    world.consumer.errors.append(KafkaError(KafkaError.STALE_MEMBER_EPOCH))
    assert world.source.commit_last([(world.partition, GAPS)])
    assert len(world.consumer.commits) == 3
    assert world.partition.committed == GAPS
    assert world.partition.commits_sent == world.partition.commits_done
    world.consumer.answer(0)
    assert world.partition.committed == GAPS, "an answer that comes late says nothing of what was committed since"


def test_the_last_commit_gives_up_where_it_makes_no_sense(world: World) -> None:
    world.consumer.errors.append(KafkaError(KafkaError.UNKNOWN_MEMBER_ID))
    assert not world.source.commit_last([(world.partition, GAPS)])
    assert world.partition.committed is None


def test_nothing_new_is_not_committed_again_at_the_end(world: World) -> None:
    world.commit(GAPS)
    world.consumer.answer(0)
    assert world.source.commit_last([(world.partition, GAPS)])
    assert len(world.consumer.commits) == 1


def test_a_topics_id_that_was_not_known_at_the_start_is_in_later_commits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.source._identities, "news", lambda *_: {"t": b"id"})
    world.source.look_for_recreated(0.0)
    world.commit(GAPS)
    (sent,) = world.consumer.commits[-1]
    origin, _ = decode_metadata(sent.offset, sent.metadata)
    assert origin == Origin("Committed", b"id")
