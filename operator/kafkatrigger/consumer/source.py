"""The source: membership in the group, the assignment, reading, committing."""

import logging
import time
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from msgspec.structs import replace

from kafkatrigger.api.checkpoint import is_another
from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.starting_point import LOG_TRUNCATED, TOPIC_RECREATED
from kafkatrigger.api.topic_pattern import matching
from kafkatrigger.consumer import offsets, start
from kafkatrigger.consumer.ahead import Ahead
from kafkatrigger.consumer.background import in_background
from kafkatrigger.consumer.commits import Commits, Positions
from kafkatrigger.consumer.identities import Identities
from kafkatrigger.consumer.log_changes import LogChanges
from kafkatrigger.consumer.membership import Membership, client_id
from kafkatrigger.consumer.offsets import Origin
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.runs import Run, runs
from kafkatrigger.kafka import client, group_members, log_offsets, topics
from kafkatrigger.kafka.admin import Admin

log = logging.getLogger(__name__)

BATCH = 500
"""Messages of one read. More costs more for each message; fewer cost more for each batch."""

_LEAST = 2
"""Messages of a read that is made for what else it brings."""

_ABSENT = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
REDRIVE_TIMEOUT = 1.0
COMMITTED_TIMEOUT = 0.5
"""Seconds to ask for what is committed."""

START_PATIENCE = 120.0
"""Seconds to ask where assigned partitions start, before the process ends without having skipped anything."""


class Source:
    """A member of the trigger's group.

    `give_up` is called with the partitions that are being revoked: it finishes of them what it can, and commits. `tick` is
    called now and then where a callback of the client takes its time, `restore` with each partition that was assigned.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        policy: start.Policy,
        give_up: Callable[[list[Partition]], None],
        on_error: Callable[[KafkaError], None],
        tick: Callable[[], None],
        restore: Callable[[Partition], None],
    ) -> None:
        self._config = config
        self._policy = policy
        self._give_up = give_up
        self._on_error = on_error
        self._tick = tick
        self._restore = restore
        self._paused = False
        self._stopped: set[Partition] = set()
        self._ahead = Ahead(config.max_buffered_bytes // 4)
        self._topics = config.topics or [f"^({config.topic_pattern})$"]
        self._is_unmatched = False
        """No topic matches the pattern. Under the classic protocol the client does not join the group before one does."""
        self._held_ids: dict[str, bytes] = {}
        """Of topics whose partitions it had before."""
        self._unsupported = False
        self._closing = False
        self.partitions: dict[tuple[str, int], Partition] = {}
        self._commits = Commits(self.partitions)
        self.joined = False
        """It was given an assignment, if an empty one, and did not lose it."""
        common = client.connection(config.bootstrap_servers, config.connection_options)
        self._admin = Admin(common)
        self._client_id = client_id(config.namespace, config.name)
        self._membership = Membership(
            lambda: in_background("membership", partial(group_members.inquire, common, config.group_id)),
            self._client_id,
        )
        self._identities = Identities(self._admin)
        self.rebalances = 0
        self.log_changes = LogChanges()
        self.protocol = "Consumer" if config.group_protocol == "Auto" else config.group_protocol
        self._consumer = self._connect()

    def _connect(self) -> Consumer:
        config = self._config
        common = client.connection(config.bootstrap_servers, config.connection_options)
        settings = client.source(common, config.group_id, config.max_buffered_bytes, config.source_options)
        protocol = client.group_protocol(self.protocol)
        consumer = Consumer(
            {
                **protocol,
                **settings,
                **(client.INTERNAL_TOPICS if config.topic_pattern else {}),
                "client.id": self._client_id,
                "error_cb": self._failed,
                "on_commit": self._commits.answered,
                "logger": logging.getLogger("librdkafka"),
            }
        )
        self._subscribe(consumer)
        return consumer

    def _subscribe(self, consumer: Consumer) -> None:
        consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def also(self, topic: str) -> None:
        """Consumes this topic besides, if it exists by now."""
        if topic not in self._topics and topic not in self._absent([topic], REDRIVE_TIMEOUT):
            log.info("the topic %s is consumed as well", topic)
            self._topics = [*self._topics, topic]
            self._subscribe(self._consumer)

    def read(self, timeout: float, in_turn: bool = False) -> list[Run]:
        """About BATCH messages and reports; returns as soon as there is one, or empty after `timeout` seconds.

        `in_turn`: it reads further ahead, so that the partitions take turns.
        """
        if self._unsupported:
            self._fall_back()
        if not (in_turn or self._ahead):
            return list(runs(self._poll(timeout)))
        # Rebalances, reports and the poll interval are served by reading, so there is always something that may be read.
        messages = self._poll(0 if self._ahead else timeout, _LEAST if self._ahead.is_full else 2 * BATCH)
        self._ahead.put(runs(messages), self.partitions)
        return [] if self._paused else self._ahead.take(BATCH, {_place(each) for each in self._stopped})

    def _poll(self, timeout: float, most: int = BATCH) -> list[Message]:
        first = self._consumer.poll(timeout)
        if first is None:
            return []
        where = first.topic(), first.partition()
        partition = self.partitions.get(where)
        rest: list[Message] = self._consumer.consume(most - 1, 0)
        if self.partitions.get(where) is not partition:  # reassigned meanwhile: it is read again
            return rest
        return [first, *rest]

    def pause(self) -> None:
        """Nothing more is fetched, though `read` has to go on being called: it serves rebalances and the poll interval.

        What is fetched ahead is dropped by pausing, so this comes only after reading less did not help.
        """
        if not self._paused and self.partitions:
            self._consumer.pause(self._assignment())
            self._paused = True

    def resume(self) -> None:
        """Undoes `pause`."""
        if self._paused:
            self._paused = False
            self._consumer.resume(self._assignment())

    def stop(self, partition: Partition) -> None:
        """Nothing more is fetched of this partition; `go_on` undoes it."""
        if partition not in self._stopped:
            self._stopped.add(partition)
            self._consumer.pause([_at(partition)])

    def go_on(self, partition: Partition) -> None:
        """Undoes `stop`."""
        if partition in self._stopped:
            self._stopped.discard(partition)
            if not self._paused:
                self._consumer.resume([_at(partition)])

    def is_stopped(self, partition: Partition) -> bool:
        """Whether nothing is fetched of it."""
        return partition in self._stopped

    def _assignment(self) -> list[TopicPartition]:
        return [_at(partition) for partition in self.partitions.values() if partition not in self._stopped]

    def is_member(self) -> bool:
        """Whether it takes its part in the group: it was given partitions, or the coordinator knows of it.

        Under the new protocol nobody is told of an empty assignment, and the member's id is its own invention.
        """
        return self.joined or self._is_unmatched or self._membership.is_in

    @property
    def strangers(self) -> str:
        """Members of the group that are not of the trigger, as people are told of them; empty where there are none."""
        return self._membership.strangers

    def look_at_group(self) -> None:
        """Keeps what is known of the group up to date; never waits."""
        self._membership.look(str(self._consumer.memberid() or ""), self.rebalances)

    def ends(self) -> dict[Partition, int]:
        """The last stable offset of each partition, as of its latest fetch."""
        ends = {}
        for partition in self.partitions.values():
            _, high = self._consumer.get_watermark_offsets(
                TopicPartition(partition.topic, partition.number), cached=True
            )
            if high >= 0:
                ends[partition] = high
        return ends

    @property
    def leaderless(self) -> list[Partition]:
        """Partitions of its own that no broker leads, as of some seconds ago."""
        return [partition for place, partition in self.partitions.items() if place in self._identities.leaderless]

    def is_near_removal(self, partition: Partition, offset: int | None) -> bool:
        """Whether the log's start has come close to this offset, as of the latest fetch: within a tenth of what is kept."""
        low, high = self._consumer.get_watermark_offsets(_at(partition), cached=True)
        return offset is not None and low > 0 and high > low and offset - low < (high - low) / 10

    def commit(self, positions: Positions) -> None:
        """Commits what changed, without waiting; what fails is committed again the next time."""
        self._commits.commit(self._consumer, positions)

    def commit_last(self, positions: Positions) -> bool:
        """Commits and waits for the broker; whether it worked. What did not is run again by the next owner."""
        return self._commits.commit_last(self._consumer, positions, self._tick)

    def group_metadata(self) -> object:
        """What the broker knows this member by, for a transaction; it changes with every rebalance."""
        return self._consumer.consumer_group_metadata()

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, str]]:
        """Offsets and metadata that the broker has, when no transaction is open on them; KafkaException else."""
        asked = {(each.topic, each.number): each for each in partitions}
        found = self._consumer.committed([TopicPartition(*where) for where in asked], timeout=COMMITTED_TIMEOUT)
        return {asked[each.topic, each.partition]: (each.offset, each.metadata or "") for each in start.checked(found)}

    def absent_topics(self, timeout: float) -> list[str]:
        """Which of the topics do not exist; KafkaException where no broker answers. With a pattern none has to."""
        pattern = self._config.topic_pattern
        if pattern and self.protocol == "Classic" and not self.joined:
            self._is_unmatched = not matching(pattern, self._consumer.list_topics(timeout=timeout).topics)
        elif pattern:
            self._consumer.list_topics(self._config.redrive_topic, timeout=timeout)  # whether brokers answer
        return self._absent(self._config.topics, timeout)

    def _absent(self, names: Iterable[str], timeout: float) -> list[str]:
        absent = []
        for topic in names:
            found = self._consumer.list_topics(topic, timeout=timeout).topics[topic]
            if found.error is not None and found.error.code() in _ABSENT:
                absent.append(topic)
        return absent

    def close(self) -> None:
        """Leaves the group. What was not committed is read again by the next owner."""
        self._closing = True
        self._consumer.close()

    def report(self, message: Message) -> None:
        """Takes note of what is no message. Reports stand between messages and have to be read in their order."""
        error = message.error()
        code = error.code()
        partition = self.partitions.get((message.topic(), message.partition()))
        if code == KafkaError._PARTITION_EOF:
            if partition is not None:  # also moves over transaction markers, which are no messages
                partition.end = max(partition.end, message.offset())
        elif code == KafkaError._AUTO_OFFSET_RESET:
            if partition is not None:
                self._continue_in_range(partition)
        else:
            self._failed(error)

    def _fall_back(self) -> None:
        log.info("the group is joined by the classic protocol")
        self.protocol = "Classic"
        self._unsupported = False
        self._consumer.close()
        self._consumer = self._connect()

    def _continue_in_range(self, partition: Partition) -> None:
        """The position is outside of the log: retention overtook it, the log lost its end, or it is another topic's."""
        self._tick()
        try:
            low, high = self._ranges([partition])[partition]
            topic_id = self._topic_ids([_at(partition)]).get(partition.topic, b"")
        except KafkaException as error:  # asked again when reading fails again
            self._on_error(error.args[0])
        else:
            if is_another(partition.origin.topic_id, topic_id):
                partition = self._recreated(partition, low, topic_id)
            elif partition.origin.topic_id and not topic_id:
                log.warning("nobody tells the id of the topic %s: it is asked for again", partition.topic)
            elif partition.end < low:
                self.log_changes.removed(partition, partition.end, low)
                partition.end = low
            elif partition.end > high:
                partition = self._truncated(partition, high)
        self._seek(partition)

    def look_for_recreated(self, now: float) -> None:
        """Begins anew with topics that are others by now, whether reading them failed or not."""
        news = self._identities.news({topic for topic, _ in self.partitions}, now)
        others: list[Partition] = []
        for partition in self.partitions.values():
            topic_id = news.get(partition.topic, b"")
            if not partition.origin.topic_id:  # of a topic that is just made not every broker knows
                partition.origin = replace(partition.origin, topic_id=topic_id)
            elif is_another(partition.origin.topic_id, topic_id):
                others.append(partition)
        try:
            ranges = self._ranges(others)
        except KafkaException as error:  # the next answer says the same
            self._on_error(error.args[0])
        else:
            for partition, (low, _) in ranges.items():
                self._seek(self._recreated(partition, low, news[partition.topic]))

    def _ranges(self, partitions: Collection[Partition]) -> dict[Partition, tuple[int, int]]:
        found = log_offsets.ranges(self._admin, map(_place, partitions), start.TIMEOUT)
        return {partition: found[_place(partition)] for partition in partitions}

    def _recreated(self, partition: Partition, low: int, topic_id: bytes) -> Partition:
        self.log_changes.recreated(partition, low)
        return self._begin_anew(partition, low, Origin(TOPIC_RECREATED, topic_id, partition.origin.config))

    def _truncated(self, partition: Partition, end: int) -> Partition:
        """The client cannot ask the brokers where the logs part, so it goes on at the end, or at what is open below it."""
        target = min(end, partition.committed.watermark if partition.committed else end)
        self.log_changes.truncated(partition, target)
        return self._begin_anew(partition, target, replace(partition.origin, reason=LOG_TRUNCATED))

    def _begin_anew(self, partition: Partition, offset: int, origin: Origin) -> Partition:
        """What is under way was read from a log that is no more: this counts as another assignment."""
        partition.revoked = True
        self.rebalances += 1
        self._stopped.discard(partition)
        self._commits.forget(partition)
        anew = Partition(
            *(partition.topic, partition.number, offset, origin, offsets.start(offset), partition.is_redrive),
            epoch=partition.epoch + 1,
        )
        self.partitions[_place(partition)] = anew
        return anew

    def _seek(self, partition: Partition) -> None:
        """Goes on at `end`. A position out of range has stopped the client's fetcher, which `seek` does not start again."""
        at = TopicPartition(partition.topic, partition.number, partition.end)
        self._ahead.drop(_place(partition))
        self._consumer.incremental_unassign([at])
        self._consumer.incremental_assign([at])
        if self._paused:
            self._consumer.pause([at])

    def _failed(self, error: KafkaError) -> None:
        """What the client reports apart from messages. A fatal error ends the process, which starts anew.

        Brokers that do not know the new protocol make for a fatal error as well, before anything was assigned.
        """
        if error.code() == KafkaError._FATAL or error.fatal():
            if self.rebalances or self._config.group_protocol != "Auto" or self.protocol == "Classic":
                raise KafkaException(error)
            log.info("the consumer group protocol cannot be used: %s", error.str())
            self._unsupported = True
        else:
            self._on_error(error)

    def _assigned(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        if self._closing:  # it is given back at once, and a client that closes gets no answer about where it starts
            return
        self.rebalances += 1
        fresh = self._starts(consumer, assigned) if assigned else []
        positions = [TopicPartition(each.topic, each.number, each.end) for each in fresh]
        consumer.incremental_assign(positions)
        if positions:  # a partition that was paused when it was given up comes back paused
            (consumer.pause if self._paused else consumer.resume)(positions)
        for each in fresh:
            each.epoch = self.rebalances
            each.is_redrive = each.topic == self._config.redrive_topic
            self.partitions[_place(each)] = each
            self._restore(each)
        self.joined = True
        log.info("assigned %s; now %d partitions", _names(assigned), len(self.partitions))

    def _starts(self, consumer: Consumer, assigned: list[TopicPartition]) -> list[Partition]:
        """Asked again while brokers do not answer; in the end the process ends, and nothing was skipped."""
        deadline = time.monotonic() + START_PATIENCE
        while True:
            self._tick()
            try:
                ids = self._topic_ids(assigned)
                return start.resolve(
                    consumer, self._admin, assigned, self._policy, ids, self.log_changes, self._held_ids
                )
            except KafkaException as error:
                log.warning("the start of %s is not known yet (%s)", _names(assigned), error.args[0].str())
                self._on_error(error.args[0])
                if time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def _topic_ids(self, assigned: list[TopicPartition]) -> dict[str, bytes]:
        return topics.ids(self._admin, {each.topic for each in assigned})

    def _revoked(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self.rebalances += 1
        leaving = self._leaving(revoked)
        self._give_up(leaving)
        self._forget(leaving)
        consumer.incremental_unassign(revoked)
        log.info("gave up %s; now %d partitions", _names(revoked), len(self.partitions))

    def _lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        """Somebody else may own them already: never commit."""
        self.rebalances += 1
        self._forget(self._leaving(lost))
        consumer.incremental_unassign(lost)
        self.joined = bool(self.partitions)
        log.warning("lost %s", _names(lost))

    def _leaving(self, given: list[TopicPartition]) -> list[Partition]:
        return [self.partitions[key] for each in given if (key := (each.topic, each.partition)) in self.partitions]

    def _forget(self, leaving: list[Partition]) -> None:
        for partition in leaving:
            partition.revoked = True
            self._stopped.discard(partition)
            self._commits.forget(partition)
            self._held_ids[partition.topic] = partition.origin.topic_id
            self._ahead.drop(_place(partition))
            del self.partitions[_place(partition)]


def _place(partition: Partition) -> tuple[str, int]:
    return partition.topic, partition.number


def _at(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def _names(partitions: Iterable[Any]) -> str:
    return ", ".join(sorted(f"{each.topic}-{each.partition}" for each in partitions)) or "nothing"
