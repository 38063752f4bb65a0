"""The engine: one thread, one loop. run -> wait for what is needed -> step, step, step -> shut down.

A step reads the source, sends batches, takes answers, writes what they led to, and commits when it is time. Nothing in it
waits for user code, and nothing for a broker longer than a moment, so the group membership never suffers from either.
"""

import contextlib
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Collection

from confluent_kafka import KafkaError, KafkaException

from kafkatrigger.api import pod_status
from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.control import Answer, Describe, Request, Resume
from kafkatrigger.consumer import blocked, intake, report
from kafkatrigger.consumer.blame import Blame
from kafkatrigger.consumer.breaker import Breaker
from kafkatrigger.consumer.chunk import Chunk
from kafkatrigger.consumer.commits import Positions
from kafkatrigger.consumer.control import Control
from kafkatrigger.consumer.dispatcher import Dispatcher, OutOfTurnError
from kafkatrigger.consumer.health import Health, Measures
from kafkatrigger.consumer.histogram import Histogram
from kafkatrigger.consumer.lanes import MOST_PARKED, Lanes
from kafkatrigger.consumer.offsets import position
from kafkatrigger.consumer.outcomes import Outcomes
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.ports import Ports
from kafkatrigger.consumer.runs import Run, place
from kafkatrigger.consumer.runtime_link import (
    Event,
    RuntimeJoined,
    WorkerAnswered,
    WorkerAttached,
    WorkerGone,
)
from kafkatrigger.consumer.source import Source
from kafkatrigger.consumer.stall import STALL_SECONDS, Flow, Reading
from kafkatrigger.consumer.stopping import Stopping
from kafkatrigger.kafka import topics

log = logging.getLogger(__name__)

COMMIT_MESSAGES = 50_000
UNACKNOWLEDGED = 2 * COMMIT_MESSAGES
"""Responses that may wait for their acknowledgement before nothing more is read."""

COMMIT_INTERVAL = {"AtLeastOnce": 1.0, "ExactlyOnce": 0.1}
"""Seconds between commits, by guarantee."""

ATTEMPTS_INTERVAL = 0.1
"""Seconds between commits while a retry waits for its failed attempts to be committed."""

IDLE_WAIT = 0.05
"""Seconds to wait for a message while nothing is under way."""

BUSY_WAIT = 0.002
"""Seconds to wait for an answer while something is under way: a new message waits no longer than this."""

REVOKE_DRAIN = 5.0
"""Seconds to finish what runs before a partition is given up."""

REVOKE_END = 2.0
"""Seconds for a worker to end that still runs messages of a partition that is given up."""

FULL_BEFORE_PAUSE = 1.0
PUBLISH_INTERVAL = 0.5
PROBE_INTERVAL = 3.0
PROBE_TIMEOUT = 1.0
STARTUP_RETRY = 2.0
QUIET_BEFORE_PROBE = 5.0
"""Seconds in which no broker said anything, after which one is asked: a broker that hangs sends no error."""

REDRIVE_INTERVAL = 10.0
"""Seconds between looks for the redrive topic."""

CLOSE_LIMIT = 8.0
"""Seconds to write, commit and leave the group after the drain."""

SILENCE = 10.0
"""Seconds beyond the timeout of an attempt after which a worker that answers nothing is ended. Whatever takes too long is ended
by the runtime, much sooner: this one has not even begun with what it has."""

BROKEN_AFTER = 3
"""Deaths of workers in a row, none of which had started a message."""


class Engine:
    """Consumes, dispatches and commits until `stop`."""

    def __init__(self, config: ConsumerConfig, ports: Ports, health: Health, control: Control) -> None:
        self._config = config
        self._ports = ports
        self._health = health
        self._control = control
        self._lanes = Lanes(config.max_buffered_bytes // 4, config.max_in_flight)
        self._tracing = ports.tracing
        self._dispatcher = Dispatcher(config.ordering, config.max_in_flight, self._lanes, self._tracing)
        self._breaker = Breaker(None if config.is_request else config.breaker)
        self._outcomes = Outcomes(config, self._dispatcher, self._lanes, self._breaker, ports.outbox, self._tracing)
        self._outbox = self._outcomes.outbox
        outcomes = self._outcomes
        self._blame = Blame(outcomes.is_final, self._dispatcher, self._lanes, outcomes.lane, outcomes.died)
        self._commit_seconds = Histogram()
        health.measures = Measures(self._dispatcher.execution, self._outbox.latency, self._commit_seconds)
        self._flow, self._reading = Flow(config.timeout), Reading()
        self._unread: list[Partition] = []
        """That stand still while others may flow."""
        self._is_stalled = False
        self._rereader = ports.rereader(self._lanes, self._outcomes.read_again)
        self._link = ports.link
        self._stops = Stopping(self._lanes, ports.stopped)
        self._parts = report.Parts(
            config, self._dispatcher, self._lanes, self._outcomes, self._link, self._breaker, self._stops, self._tracing
        )
        self._source: Source | None = None
        self._problem: tuple[str, str] | None = (pod_status.BROKER_UNREACHABLE, "the brokers have not been asked yet")
        self._stopping = False
        self._closing = False
        """The drain is over: what still runs is given up."""
        self._rebalances = 0
        self._deaths = 0
        """Of workers in a row, none of which had started a message."""
        self._read_at = 0.0
        self._has_read = False
        """The last read brought messages."""
        self._commit_at = 0.0
        self._committed_at = 0.0
        self._publish_at = 0.0
        self._silence_at = 0.0
        self._probe_at = 0.0
        self._redrive_at = 0.0
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
        if self._tracing is not None:
            self._tracing.sender.close()

    # Before the first message

    def _start(self) -> Source | None:
        """Joins the group once there is something to consume and somebody to run it, else None.

        A pod whose transformation cannot be loaded must not take partitions from one whose can.
        """
        retry_at = 0.0
        while not self._stopping:
            if self._problem is not None and time.monotonic() >= retry_at:
                self._problem = self._ports.missing()
                retry_at = time.monotonic() + STARTUP_RETRY
            self._take_events(0.1)
            self._control.poll(self._handle)
            self._report()
            if self._problem is None and self._link.loaded:
                self._source = self._ports.source(self._give_up, self._on_error, self._health.tick, self._lanes.restore)
                return self._source
        return None

    # One turn of the loop

    def _step(self, source: Source) -> None:
        now = time.monotonic()
        self._stops.look(now)
        self._control.poll(self._handle)
        self._read(source, now)
        self._drop_revoked(source)
        self._rereader.step()
        self._send()
        self._take_events(BUSY_WAIT if self._is_busy() else 0)
        self._outbox.pump()
        if self._is_time_to_commit():
            self._commit(source)
        self._report(source)

    def _is_busy(self) -> bool:
        """Whether something is awaited that is no message. While there is more to read that is done first: workers that wait
        for their next batch until the last is answered are idle half of the time.
        """
        if not self._has_room():
            return True
        return not self._has_read and bool(self._dispatcher.in_flight or self._rereader.busy)

    def _read(self, source: Source, now: float) -> None:
        if self._has_room():
            source.resume()
            busy = self._dispatcher.in_flight > 0 or self._rereader.busy
            self._take(source, source.read(0 if busy else self._idle_wait(), self._dispatcher.is_concurrent))
        elif now - self._read_at > FULL_BEFORE_PAUSE or self._lanes.needs_commit:  # acknowledgements come by reading
            source.pause()
            self._take(source, source.read(0))

    def _has_room(self) -> bool:
        held = self._dispatcher.held + self._lanes.waiting
        size = self._dispatcher.bytes + self._lanes.bytes + self._outbox.bytes
        return (
            held < self._config.max_in_flight
            and size < self._config.max_buffered_bytes
            and bool(self._dispatcher.workers)
            and not self._outbox.full
            and self._outbox.unacknowledged < UNACKNOWLEDGED
        )

    def _idle_wait(self) -> float:
        due = self._lanes.next_due()
        return IDLE_WAIT if due is None else max(0.0, min(IDLE_WAIT, due - time.monotonic()))

    def _take(self, source: Source, runs: list[Run]) -> None:
        """Hands what was read to the dispatcher."""
        self._read_at = time.monotonic()
        self._has_read = bool(runs)
        if not runs:
            return
        self._heard_at = self._read_at
        chunks: list[Chunk] = []
        for run in runs:
            if not isinstance(run, list):
                source.report(run)
                continue
            partition = source.partitions.get(place(run))  # type: ignore[arg-type] # a message has both
            if partition is not None:
                chunks.append(intake.take(partition, run, len(chunks), self._config.ordering))
        if chunk := intake.join(chunks):
            self._dispatcher.add(chunk)

    def _send(self) -> None:
        now = time.monotonic()
        self._lanes.tick(now)
        self._dispatcher.queue_lanes()
        limit = 0 if self._stops.point else self._breaker.allowance(now, self._dispatcher.in_flight)
        for worker, batch in self._dispatcher.departures(limit):
            log.debug("worker %d gets a batch of %d messages", worker, len(batch.records))
            self._link.send(worker, batch)
            if limit and batch.records:
                self._breaker.probe_sent()

    def _take_events(self, timeout: float) -> None:
        for event in self._link.wait(timeout):
            self._on_event(event)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, WorkerAnswered):
            self._deaths = 0
            try:
                self._outcomes.answered(event.worker, event.results)
            except OutOfTurnError as error:
                log.error("%s: its connection is closed", error)
                self._link.detach(event.worker)
        elif isinstance(event, RuntimeJoined):
            self._dispatcher.resize(event.workers)
        elif isinstance(event, WorkerAttached):
            self._dispatcher.attach(event.worker, event.concurrency)
        else:
            self._worker_gone(event)

    def _worker_gone(self, event: WorkerGone) -> None:
        exited = event.exited
        if exited is not None:
            log.warning("worker %d ended: %s", event.worker, exited.message)
            if not exited.suspects and exited.reason != "Ended":
                self._deaths += 1
        self._blame.worker_gone(event.worker, exited)

    def _handle(self, request: Request) -> Answer:
        """What somebody asks for over the control socket."""
        if isinstance(request, Resume):
            self._breaker.close()
            return self._stops.resume(request)
        if isinstance(request, Describe):
            return Answer(status=self._health.status)
        return blocked.handle(self._lanes, request)

    # Committing

    def _is_time_to_commit(self) -> bool:
        outbox, now = self._outbox, time.monotonic()
        is_much = outbox.unacknowledged >= COMMIT_MESSAGES or outbox.bytes > self._config.max_buffered_bytes // 2
        is_awaited = self._lanes.needs_commit and now >= self._committed_at + ATTEMPTS_INTERVAL
        return now >= self._commit_at or is_awaited or (is_much and not outbox.full)

    def _commit(self, source: Source) -> None:
        wrote, begin = self._outbox.unacknowledged > 0, time.monotonic()
        if self._outbox.commit(source, lambda: self._positions(list(source.partitions.values()))) and wrote:
            self._heard_at = time.monotonic()
        self._committed_at = time.monotonic()
        if wrote:
            self._commit_seconds.observe(self._committed_at - begin)
        self._commit_at = self._committed_at + COMMIT_INTERVAL[self._config.guarantee]
        self._lanes.committed()
        for partition in source.partitions.values():
            # Lanes that a commit told of go on only when everything up to its bound is read.
            parked = len(partition.processed.parked) if partition.processed else 0
            is_crowded = parked > MOST_PARKED and partition.end >= partition.restored.bound
            (source.stop if is_crowded else source.go_on)(partition)

    def _positions(self, partitions: list[Partition]) -> Positions:
        """What may be committed: of everything read, all but what is queued, runs, waits or is not acknowledged."""
        still_open: dict[Partition, list[int]] = defaultdict(list)
        for holder in (self._dispatcher, self._outbox):
            for partition, offset in holder.open_offsets():
                still_open[partition].append(offset)
        now = time.monotonic()
        positions = []
        for each in partitions:
            parked = [parked for lane in each.lanes.values() if (parked := lane.parked(each.end))]
            at = position(each.end, still_open[each], parked, each.restored, each.named)
            if at != each.processed:
                each.processed, each.progressed_at = at, now
            positions.append((each, at))
        return positions

    def _give_up(self, leaving: list[Partition]) -> None:
        """Finishes what runs of these partitions, for a bounded time, ends what does not finish, and commits."""
        gone = set(leaving)
        self._drain(gone, REVOKE_DRAIN)
        for worker in self._dispatcher.runs(gone):
            log.warning("worker %d is ended: it still runs messages of partitions that are given up", worker)
            self._link.end(worker)
        self._drain(gone, REVOKE_END)
        if self._source is not None:
            self._commit_last(self._source, gone)

    def _commit_last(self, source: Source, leaving: Collection[Partition]) -> None:
        self._outbox.commit_last(source, lambda: self._positions(list(source.partitions.values())), leaving)

    def _drain(self, gone: set[Partition], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._closing and self._dispatcher.runs(gone) and time.monotonic() < deadline:
            self._take_events(0.02)
            self._outbox.pump()
            self._health.tick()

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
        while (self._dispatcher.in_flight or self._outbox.full) and time.monotonic() < deadline:
            self._take_events(0.05)
            self._outbox.pump()
            self._take(source, source.read(0))
            self._report(source)
        self._closing = True
        # Brokers that do not answer must not hold up the end: what is not committed runs again.
        watchdog = threading.Timer(CLOSE_LIMIT, os._exit, (1,))
        watchdog.daemon = True
        watchdog.start()
        self._commit_last(source, source.partitions.values())
        source.close()
        self._rereader.close()
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
            self._look_for_redrive(source, now)
            source.look_for_recreated(now)
            source.look_at_group()
            self._look_for_stall(source, now)
            self._end_silent(now)
        if self._tracing is not None:
            self._tracing.sender.look()
        problem = self._reason(source)
        self._health.publish(report.status(self._parts, source, problem, self._rereader.lost))

    def _look_for_redrive(self, source: Source, now: float) -> None:
        if now >= self._redrive_at and self._problem is None:
            self._redrive_at = now + REDRIVE_INTERVAL
            with contextlib.suppress(KafkaException):  # brokers that do not answer are noticed by others
                source.also(self._config.redrive_topic)

    def _look_for_stall(self, source: Source, now: float) -> None:
        """What is parked, and what people have stopped, does not count."""
        in_flight = self._dispatcher.in_flight
        ends = source.ends()
        readable = ((partition, end) for partition, end in ends.items() if not source.is_stopped(partition))
        unread = {partition: partition.end for partition, end in readable if end > partition.end}
        self._unread = self._reading.look(now, {} if self._stops.point else unread, self._has_room())
        is_busy = self._dispatcher.held > 0 or self._outbox.unacknowledged > 0
        waits = (is_busy or bool(unread)) and not self._stops.point
        attempts = self._outcomes.attempts
        # To read on is progress only where there was nothing else to do, to succeed only when that is acknowledged.
        read = 0 if is_busy else sum(each.end for each in ends)
        progress = attempts.total() - attempts["succeeded"], read
        waits = waits and not self._breaker.open
        acknowledged, answered = self._outbox.acknowledged.total(), self._outbox.unacknowledged > 0
        self._is_stalled = self._flow.look(now, acknowledged, progress, waits, in_flight > 0, answered)

    def _end_silent(self, now: float) -> None:
        """Their messages run again, and none of them is to blame. While the runtime hangs as a whole nobody hears of it."""
        if now < self._silence_at:
            return
        for worker in self._dispatcher.silent(now - self._config.timeout - SILENCE):
            self._silence_at = now + SILENCE
            log.warning("worker %d is ended: it has messages and does not begin with them", worker)
            self._link.end(worker)

    def _reason(self, source: Source | None) -> tuple[str, str]:
        """The first that applies of what keeps messages from flowing."""
        if self._stopping:
            return pod_status.DRAINING, "the pod is stopping"
        if self._problem is not None:
            return self._problem
        if self._deaths >= BROKEN_AFTER:
            return pod_status.RUNTIME_BROKEN, (
                f"workers ended {self._deaths} times in a row before they started any message: look at the log of the "
                "container runtime"
            )
        reason = report.reason(self._parts, source)
        if self._is_stalled and reason[0] == pod_status.CONSUMING:
            return pod_status.STALLED, (
                f"messages wait, and for {STALL_SECONDS:.0f} s none was finished: look at the logs of both containers"
            )
        if self._unread and reason[0] == pod_status.CONSUMING:
            return pod_status.STALLED, (
                f"more of {report.names(self._unread)} is there, and for {STALL_SECONDS:.0f} s nothing of it was read: look at "
                "the log of the container consumer; to delete the pod makes another one read it"
            )
        return reason
