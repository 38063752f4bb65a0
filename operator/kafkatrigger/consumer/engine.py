"""The engine: one thread, one loop. run -> wait for what is needed -> step, step, step -> shut down.

A step reads the source, sends batches, takes answers, writes what they led to, and commits when it is time. Nothing in it
waits for user code, and nothing for a broker longer than a moment, so the group membership never suffers from either.
"""

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka.admin import AdminClient

from kafkatrigger.api import pod_status
from kafkatrigger.api.consumer_config import ConsumerConfig, TopicSettings
from kafkatrigger.api.frames import Record
from kafkatrigger.api.pod_status import PartitionStatus, PodStatus
from kafkatrigger.api.start_policy import StartPolicy
from kafkatrigger.consumer.dispatcher import Dispatcher, OutOfTurnError
from kafkatrigger.consumer.health import Health
from kafkatrigger.consumer.lanes import Lanes
from kafkatrigger.consumer.offsets import position
from kafkatrigger.consumer.outcomes import Outcomes
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.runtime_link import Event, RuntimeJoined, RuntimeLink, WorkerAnswered, WorkerAttached
from kafkatrigger.consumer.source import Positions, Source
from kafkatrigger.kafka import client, topics

log = logging.getLogger(__name__)

COMMIT_INTERVAL = 1.0
COMMIT_MESSAGES = 50_000
UNACKNOWLEDGED = 2 * COMMIT_MESSAGES
"""Responses that may wait for their acknowledgement before nothing more is read."""

IDLE_WAIT = 0.05
"""Seconds to wait for a message while nothing is under way."""

BUSY_WAIT = 0.002
"""Seconds to wait for an answer while something is under way: a new message waits no longer than this."""

REVOKE_DRAIN = 5.0
"""Seconds to finish what runs before a partition is given up."""

FULL_BEFORE_PAUSE = 1.0
PUBLISH_INTERVAL = 0.5
PROBE_INTERVAL = 3.0
PROBE_TIMEOUT = 1.0
STARTUP_RETRY = 2.0
QUIET_BEFORE_PROBE = 5.0
"""Seconds in which no broker said anything, after which one is asked: a broker that hangs sends no error."""

CLOSE_LIMIT = 8.0
"""Seconds to write, commit and leave the group after the drain."""


class Engine:
    """Consumes, dispatches and commits until `stop`."""

    def __init__(self, config: ConsumerConfig, policy: StartPolicy, socket_path: str, health: Health) -> None:
        self._config = config
        self._policy = policy
        self._health = health
        self._lanes = Lanes()
        self._dispatcher = Dispatcher(config.ordering, config.max_in_flight, self._lanes)
        self._outcomes = Outcomes(config, self._dispatcher, self._lanes)
        self._outbox = self._outcomes.outbox
        self._link = RuntimeLink(socket_path, f"{config.namespace}/{config.name}", config.work)
        self._source: Source | None = None
        self._problem: tuple[str, str] | None = (pod_status.BROKER_UNREACHABLE, "the brokers have not been asked yet")
        self._stopping = False
        self._rebalances = 0
        self._read_at = 0.0
        self._commit_at = 0.0
        self._publish_at = 0.0
        self._probe_at = 0.0
        self._heard_at = 0.0
        """When a broker last said something."""

    def stop(self) -> None:
        """Ends the loop soon; may be called from a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Runs until `stop`, then drains: what was answered is written and committed."""
        source = self._start()
        if source is not None:
            while not self._stopping:
                self._step(source)
            self._shut_down(source)
        self._link.close()

    # Before the first message

    def _start(self) -> Source | None:
        """Joins the group once there is something to consume and somebody to run it, else None.

        A pod whose transformation cannot be loaded must not take partitions from one whose can.
        """
        admin = AdminClient(client.connection(self._config.bootstrap_servers, self._config.connection_options))
        retry_at = 0.0
        while not self._stopping:
            if self._problem is not None and time.monotonic() >= retry_at:
                self._problem = self._missing(admin)
                retry_at = time.monotonic() + STARTUP_RETRY
            self._take_events(0.1)
            self._report()
            if self._problem is None and self._link.loaded:
                return Source(self._config, self._policy, self._give_up, self._on_error, self._health.tick)
        return None

    def _missing(self, admin: AdminClient) -> tuple[str, str] | None:
        """What of Kafka is not there yet; makes the topics that are to be made."""
        config = self._config
        try:
            existing = topics.partition_counts(admin, ", ".join(config.bootstrap_servers))
        except topics.BrokersUnreachableError as error:
            return pod_status.BROKER_UNREACHABLE, str(error)
        if absent := topics.missing(config.topics, existing):
            return pod_status.TOPIC_MISSING, absent
        partitions = max(existing[topic] for topic in config.topics)
        if config.response and (problem := _ensure(admin, config.response, existing, partitions, "spec.response")):
            return pod_status.RESPONSE_UNAVAILABLE, problem
        if not config.skip_failures and (
            problem := _ensure(admin, config.dead_letter, existing, partitions, "spec.delivery.deadLetter")
        ):
            return pod_status.DEAD_LETTER_UNAVAILABLE, problem
        return None

    # One turn of the loop

    def _step(self, source: Source) -> None:
        busy = self._dispatcher.in_flight > 0
        if self._has_room():
            source.resume()
            self._take(source, source.read(0 if busy else self._idle_wait()))
        elif time.monotonic() - self._read_at > FULL_BEFORE_PAUSE:
            source.pause()
            self._take(source, source.read(0))
        self._drop_revoked(source)
        self._send()
        self._take_events(BUSY_WAIT if self._dispatcher.in_flight or self._outbox.blocked else 0)
        self._outbox.pump()
        if self._is_time_to_commit():
            self._commit(source)
        self._report(source)

    def _has_room(self) -> bool:
        held = self._dispatcher.held + self._lanes.waiting
        size = self._dispatcher.bytes + self._lanes.bytes + self._outbox.bytes
        return (
            not self._outbox.blocked
            and bool(self._dispatcher.workers)
            and held < self._config.max_in_flight
            and self._outbox.unacknowledged < UNACKNOWLEDGED
            and size < self._config.max_buffered_bytes
        )

    def _idle_wait(self) -> float:
        due = self._lanes.next_due()
        return IDLE_WAIT if due is None else max(0.0, min(IDLE_WAIT, due - time.monotonic()))

    def _take(self, source: Source, messages: list[Message]) -> None:
        """Hands what was read to the dispatcher."""
        self._read_at = time.monotonic()
        if not messages:
            return
        self._heard_at = self._read_at
        partitions: list[Partition] = []
        records: list[Record] = []
        append = records.append
        topic, number, index = "", -1, -1
        advance: Callable[[int], bool] = _not_ours
        for message in messages:
            if message.error() is not None:
                source.report(message)
                number = -1  # it may have put another object in a partition's place
                continue
            if message.partition() != number or message.topic() != topic:  # they come in runs
                topic, number = message.topic(), message.partition()
                partition = source.partitions.get((topic, number))
                if partition is None:
                    advance = _not_ours
                else:
                    advance, index = partition.advance, len(partitions)
                    partitions.append(partition)
            offset = message.offset()
            if advance(offset):
                append((index, offset, message.timestamp()[1], 1, message.key(), message.value(), message.headers()))
        self._dispatcher.add(partitions, records)

    def _send(self) -> None:
        now = time.monotonic()
        self._dispatcher.queue_lanes(now)
        for worker, batch in self._dispatcher.departures(now):
            self._link.send(worker, batch)

    def _take_events(self, timeout: float) -> None:
        for event in self._link.wait(timeout):
            self._on_event(event)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, WorkerAnswered):
            try:
                self._outcomes.answered(event.worker, event.results)
            except OutOfTurnError as error:
                log.error("%s: its connection is closed", error)
                self._link.detach(event.worker)
        elif isinstance(event, RuntimeJoined):
            self._dispatcher.resize(event.workers)
        elif isinstance(event, WorkerAttached):
            self._dispatcher.attach(event.worker)
        else:
            if event.exited:
                log.warning("worker %d ended: %s", event.worker, event.exited.message)
            self._outcomes.worker_gone(event.worker, event.exited)

    # Committing

    def _is_time_to_commit(self) -> bool:
        outbox = self._outbox
        is_much = outbox.unacknowledged >= COMMIT_MESSAGES or outbox.bytes > self._config.max_buffered_bytes // 2
        return time.monotonic() >= self._commit_at or (is_much and not outbox.blocked)

    def _commit(self, source: Source) -> None:
        self._commit_at = time.monotonic() + COMMIT_INTERVAL
        if self._outbox.unacknowledged and self._outbox.flush():
            self._heard_at = time.monotonic()
        source.commit(self._positions(list(source.partitions.values())))

    def _positions(self, partitions: list[Partition]) -> Positions:
        """What may be committed: of everything read, all but what is queued, runs, waits or is not acknowledged."""
        still_open: dict[Partition, list[int]] = defaultdict(list)
        for holder in (self._dispatcher, self._lanes, self._outbox):
            for partition, offset in holder.open_offsets():
                still_open[partition].append(offset)
        return [(each, position(each.end, still_open[each], each.known)) for each in partitions]

    def _give_up(self, leaving: list[Partition]) -> Positions:
        """Finishes what runs of these partitions, for a bounded time, and says what to commit."""
        gone = set(leaving)
        deadline = time.monotonic() + REVOKE_DRAIN
        while not self._stopping and self._dispatcher.is_running(gone) and time.monotonic() < deadline:
            self._take_events(0.02)
            self._outbox.pump()
            self._health.tick()
        self._outbox.flush(2.0)
        return self._positions(leaving)

    def _drop_revoked(self, source: Source) -> None:
        """Forgets, after a change of the assignment, what was held for partitions that others own now."""
        if source.rebalances != self._rebalances:
            self._rebalances = source.rebalances
            self._dispatcher.drop_revoked()
            self._lanes.drop_revoked()
            self._outbox.drop_revoked()

    # At the end

    def _shut_down(self, source: Source) -> None:
        """Runs to their end the messages that workers have, writes, commits, leaves the group."""
        log.info("draining: %d messages in flight", self._dispatcher.in_flight)
        deadline = time.monotonic() + self._config.drain
        source.pause()
        while (self._dispatcher.in_flight or self._outbox.blocked) and time.monotonic() < deadline:
            self._take_events(0.05)
            self._outbox.pump()
            self._take(source, source.read(0))
            self._report(source)
        # Brokers that do not answer must not hold up the end: what is not committed runs again.
        watchdog = threading.Timer(CLOSE_LIMIT, os._exit, (1,))
        watchdog.daemon = True
        watchdog.start()
        self._outbox.flush(5.0)
        source.commit_last(self._positions(list(source.partitions.values())))
        source.close()
        watchdog.cancel()
        log.info("stopped")

    # What the pod says of itself

    def _on_error(self, error: KafkaError) -> None:
        log.warning("%s: %s", error.name(), error.str())
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._problem = self._unreachable
        elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            self._probe_at = 0.0

    @property
    def _unreachable(self) -> tuple[str, str]:
        servers = ", ".join(self._config.bootstrap_servers)
        return pod_status.BROKER_UNREACHABLE, f"no broker of {servers} answers: check the brokers and the network"

    def _probe(self, source: Source, now: float) -> None:
        """Asks the brokers, when there is a doubt, whether they are there and have the topics."""
        if now < self._probe_at or (self._problem is None and now - self._heard_at < QUIET_BEFORE_PROBE):
            return
        self._probe_at = now + PROBE_INTERVAL
        try:
            absent = source.absent_topics(PROBE_TIMEOUT)
        except KafkaException:
            self._problem = self._unreachable
            return
        self._problem = (pod_status.TOPIC_MISSING, topics.missing_sentence(absent)) if absent else None

    def _report(self, source: Source | None = None) -> None:
        self._health.tick()
        now = time.monotonic()
        if now < self._publish_at:
            return
        self._publish_at = now + PUBLISH_INTERVAL
        if source is not None:
            self._probe(source, now)
        self._health.publish(self._status(source))

    def _status(self, source: Source | None) -> PodStatus:
        reason, message = self._reason(source)
        ends = source.ends() if source else {}
        return PodStatus(
            trigger=f"{self._config.namespace}/{self._config.name}",
            ready=reason == pod_status.CONSUMING,
            reason=reason,
            message=message,
            group_id=self._config.group_id,
            partitions=[
                _partition_status(each, ends.get(each)) for each in (source.partitions.values() if source else ())
            ],
            in_flight=self._dispatcher.in_flight,
            waiting=self._lanes.waiting,
            outcomes=dict(self._outbox.acknowledged),
            worker_restarts=dict(self._link.restarts),
            rebalances=source.rebalances if source else 0,
            group_protocol=source.protocol if source else "",
        )

    def _reason(self, source: Source | None) -> tuple[str, str]:
        """The first that applies of what keeps messages from flowing."""
        if self._stopping:
            return pod_status.DRAINING, "the pod is stopping"
        if self._problem is not None:
            return self._problem
        if self._outbox.problem is not None:
            topic, sentence = self._outbox.problem
            is_dead_letter = topic == self._config.dead_letter.topic
            return pod_status.DEAD_LETTER_UNAVAILABLE if is_dead_letter else pod_status.RESPONSE_UNAVAILABLE, sentence
        if self._link.problem is not None:
            return self._link.problem
        if source is None or not source.is_member():
            return pod_status.JOINING_GROUP, f"joining the group {self._config.group_id}"
        return pod_status.CONSUMING, f"consuming {len(source.partitions)} partitions"


def _not_ours(_: int) -> bool:
    """For messages of a partition that was just given up."""
    return False


def _ensure(
    admin: AdminClient, wanted: TopicSettings, existing: dict[str, int], partitions: int, field: str
) -> str | None:
    if wanted.topic in existing:
        return None
    if wanted.create:
        return topics.create(admin, wanted.topic, partitions)
    return f"the topic {wanted.topic} does not exist: create it, set {field}.create or correct {field}.topic"


def _partition_status(partition: Partition, end: int | None) -> PartitionStatus:
    watermark = partition.told.watermark if partition.told else partition.committed or 0
    lag = max(0, end - watermark) if end is not None else None
    return PartitionStatus(partition.topic, partition.number, watermark, partition.committed, lag, partition.reason)
