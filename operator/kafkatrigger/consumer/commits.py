"""Commits of a member of the group: what was said, and what the broker acknowledged of it."""

import logging
import time
from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from kafkatrigger.consumer import start
from kafkatrigger.consumer.offsets import Position, encode_metadata
from kafkatrigger.consumer.partition import Partition

log = logging.getLogger(__name__)

Positions = list[tuple[Partition, Position]]

COMMIT_PATIENCE = 30.0
"""Seconds to wait for the answer to a commit before the partition is committed again."""

COMMIT_TRIES = 5
COMMIT_PAUSE = 0.2

_NOTHING: tuple[Position | None, float] = None, 0.0
_PASSING = (
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
)


class Commits:
    """Commits of the partitions that are assigned."""

    def __init__(self, partitions: Mapping[tuple[str, int], Partition]) -> None:
        self._partitions = partitions
        self._under_way: dict[Partition, tuple[Position, float]] = {}
        """Commits that are not answered, and until when another one waits for that."""

    def commit(self, consumer: Consumer, positions: Positions) -> None:
        """Commits what changed, without waiting; what fails is committed again the next time.

        Of a partition one commit is under way at a time, so that an answer is that of the latest.
        """
        now = time.monotonic()
        for partition, at in positions:
            if at == partition.told == partition.committed:
                partition.nothing_new()
        news = {
            partition: at
            for partition, at in positions
            if at != partition.told and now >= self._under_way.get(partition, (at, 0.0))[1]
        }
        if not news:
            return
        try:
            consumer.commit(offsets=[_commit(partition, at) for partition, at in news.items()], asynchronous=True)
        except KafkaException as error:
            log.warning("commit failed (%s): it is repeated", error.args[0].str())
            return
        for partition, at in news.items():
            partition.told = at
            partition.commits_sent += 1
            self._under_way[partition] = at, now + COMMIT_PATIENCE

    def commit_last(self, consumer: Consumer, positions: Positions, tick: Callable[[], None]) -> bool:
        """Commits and waits for the broker, with a tick now and then; whether it worked. What did not is run again by the
        next owner.
        """
        news = [(partition, at) for partition, at in positions if at != partition.told or at != partition.committed]
        for _ in range(COMMIT_TRIES if news else 0):
            try:
                self._commit_now(consumer, news)
                return True
            except KafkaException as error:
                log.warning("the last commit failed (%s)", error.args[0].str())
                if error.args[0].code() not in _PASSING:
                    return False
            time.sleep(COMMIT_PAUSE)  # the client learns of its new epoch in the background
            tick()
        return not news

    def _commit_now(self, consumer: Consumer, news: Positions) -> None:
        for partition, _ in news:
            partition.commits_sent += 1
            partition.told = None
            self._under_way.pop(partition, None)
        start.checked(consumer.commit(offsets=[_commit(partition, at) for partition, at in news], asynchronous=False))
        for partition, at in news:
            partition.told = partition.committed = at
            partition.commits_done = partition.commits_sent

    def answered(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """What the client tells of every commit that nobody waited for."""
        for each in partitions:
            partition = self._partitions.get((each.topic, each.partition))
            at, _ = self._under_way.get(partition, _NOTHING) if partition else _NOTHING
            if partition is None or at is None or at.watermark != each.offset:
                continue
            del self._under_way[partition]
            if error or each.error:
                log.warning("commit of %s failed (%s): it is repeated", partition.name, error or each.error,
                            extra=partition.facts(at.watermark))  # fmt: skip
                partition.told = None
            else:
                partition.committed = at
                partition.commits_done = partition.commits_sent
                log.debug("%s is committed", partition.name, extra=partition.facts(at.watermark))

    def forget(self, partition: Partition) -> None:
        """It was given up, or begins anew: an answer that is under way is not its."""
        self._under_way.pop(partition, None)


def _commit(partition: Partition, at: Position) -> TopicPartition:
    text, _ = encode_metadata(partition.origin, at)  # what it has no room for runs again after a restart
    return TopicPartition(partition.topic, partition.number, at.watermark, text, partition.leader_epoch)
