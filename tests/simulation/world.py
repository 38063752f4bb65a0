"""One world: pods that consume, and whatever happens to them, by the seed.

First there is trouble: messages arrive, pods are killed and replaced, partitions move, commits fail, topics refuse writes.
Then the trouble is over, people decide about what waits for them, and everything has to come to rest.
"""

import itertools
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from confluent_kafka import KafkaError, KafkaException

from kafkatrigger.api.consumer_config import BreakerPolicy, ConsumerConfig, RetryPolicy, TopicSettings
from kafkatrigger.api.control import BlockedRef, ListBlocked, Request, ResolveBlocked, Resume
from kafkatrigger.api.start_policy import StartPolicy
from kafkatrigger.api.transforming import Transforming
from kafkatrigger.consumer import at_least_once, dispatcher, exactly_once, rereading, source, transaction
from kafkatrigger.consumer.engine import Engine
from kafkatrigger.consumer.health import Health
from kafkatrigger.consumer.lanes import Lane
from kafkatrigger.consumer.limits import Limits
from kafkatrigger.consumer.outbox import Callbacks, Connections, Outbox
from kafkatrigger.consumer.output import Output
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.ports import Ports
from kafkatrigger.consumer.source import Source
from kafkatrigger.consumer.start import Policy
from kafkatrigger.kafka import log_offsets, topics
from tests.simulation.broker import (
    DEAD_LETTERS,
    READ,
    RESPONSES,
    Broker,
    GroupConsumer,
    Killed,
    Produced,
    Producer,
    Reader,
)
from tests.simulation.clock import Clock
from tests.simulation.history import LARGE, OUTPUTS, BrokenPromiseError, History
from tests.simulation.runtime import Runtime

OVERRUN = 1.0
"""Seconds that the end of a transaction may take."""
REST = 300.0
"""Seconds of simulated time in which everything has to come to rest once the trouble is over."""

TURNS = 15000
"""And turns."""

PLANS = (
    *["ok"] * 30,
    *["filter", "several", "split"] * 3,
    *[
        "fail-1",
        "fail-2",
        "permanent",
        "fail",
        "crash-1",
        "crash",
        "timeout-1",
        "timeout",
        "large",
        "mixed",
        "stray",
        "down-1",
    ],
)


def config(rng: random.Random) -> ConsumerConfig:
    """A trigger."""
    attempts = rng.choice([1, 2, 3, 5])
    breaker = BreakerPolicy(5.0, 10, 3, 0.5) if rng.random() < 0.3 else None
    is_request = rng.random() < 0.25
    return ConsumerConfig(
        namespace="n",
        name="t",
        bootstrap_servers=["b:9092"],
        connection_options={},
        group_id="group",
        group_protocol="Classic",
        topics=["in"],
        topic_pattern="",
        source_options={},
        function="f",
        value_format="JSON",
        key_format="String",
        skip_tombstones=False,
        filter="",
        ordering=rng.choice(["Key", "Key", "Key", "Partition", "Unordered"]),
        max_in_flight=rng.choice([4, 30, 5000]),
        max_buffered_bytes=rng.choice([400, 64 * 1024, 1024 * 1024]),
        timeout=0.3,
        retry=RetryPolicy(attempts, 0.02, 2.0, 0.3, 0.2),
        guarantee=rng.choice(["AtLeastOnce", "ExactlyOnce"]),
        on_failure=rng.choice(["DeadLetter", "DeadLetter", "Block", "Block", "Skip", "Stop"]),
        breaker=breaker,
        dead_letter=TopicSettings(DEAD_LETTERS, create=True, max_bytes=1_000_000),
        redrive_topic="redrive",
        response=TopicSettings(RESPONSES, create=True, max_bytes=1_000_000)
        if is_request or rng.random() < 0.9
        else None,
        response_headers=rng.choice(["None", "None", "Source"]),
        drain=5.0,
        partition_timestamps={},
        tracing=None,
        transforming=Transforming(mode="Execute") if is_request else None,
        output_topics=[TopicSettings(OUTPUTS, create=True, max_bytes=1_000_000)],
    )


class Requests:
    """The control socket."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Request, Callable[[Any], None]]] = []

    def poll(self, handle: Callable[[Request], Any]) -> None:
        while self.waiting:
            request, then = self.waiting.pop(0)
            then(handle(request))


class Pod:
    """A process with its engine."""

    def __init__(self, world: "World", number: int) -> None:
        self.world, self.number = world, number
        self.killed_at: int | None = None
        """After how many more calls to the outside it dies."""
        self.member: GroupConsumer | None = None
        self.control = Requests()
        rng, cfg = world.rng, world.config
        self.runtime = Runtime(
            *(rng, world.clock, world.history, self.port, self),
            ordering=cfg.ordering,
            is_async=world.is_async,
            workers=world.workers,
            on_failure="DeadLetter" if cfg.is_request else cfg.on_failure,
            attempts=cfg.retry.attempts,
        )
        ports = Ports(
            missing=lambda: None,
            source=self._source,
            outbox=self._outbox,
            rereader=lambda lanes, deliver: rereading.Rereader({}, cfg.ordering, lanes, deliver),
            link=self.runtime,  # type: ignore[arg-type]
            stopped=Path("/nonexistent/stopped"),
            tracing=world.history.traces.tracing(),
        )
        world.current = self
        self.engine = Engine(cfg, ports, Health("n/t", "group"), self.control)  # type: ignore[arg-type]
        self._started: Source | None = None

    def __str__(self) -> str:
        return f"pod {self.number}"

    def __lt__(self, other: "Pod") -> bool:
        return self.number < other.number

    def port(self) -> None:
        """Every call to the outside comes by here."""
        self.world.clock.wait(0.00005)
        if self.killed_at is not None:
            self.killed_at -= 1
            if self.killed_at <= 0:
                raise Killed

    def _source(self, *callbacks: Any) -> Source:
        return Source(self.world.config, Policy(StartPolicy(), "redrive", 7), *callbacks)

    def _outbox(self, callbacks: Callbacks) -> Outbox:
        limits = Limits([], _no_answer)
        if self.world.config.guarantee == "AtLeastOnce":
            connections = Connections(lambda _: {}, self._probe, limits)
            return at_least_once.AtLeastOnce(connections, callbacks)
        own = f"group.{self.number}"
        connections = Connections(lambda _: {"transactional.id": own}, self._probe, limits)
        return exactly_once.ExactlyOnce(connections, callbacks, own)

    def _probe(self, output: Output) -> "Future[KafkaError | None]":
        answer: Future[KafkaError | None] = Future()
        broker = self.world.broker

        def written() -> None:
            refused = broker.refuses(output.topic)
            if not refused and self.world.config.guarantee == "AtLeastOnce":
                broker.publish(Produced(topic=output.topic, value=output.value, headers=output.headers))
            answer.set_result(KafkaError(KafkaError.NOT_ENOUGH_REPLICAS) if refused else None)

        self.world.clock.schedule(0.01, written)
        return answer

    def connect(self, settings: dict[str, Any]) -> GroupConsumer:
        self.member = GroupConsumer(self.world.broker, self.port, self, settings)
        return self.member

    def step(self) -> None:
        """One turn of its loop."""
        if self._started is None:
            self._started = self.engine._start()
        else:
            self.engine._step(self._started)

    def shut_down(self) -> None:
        self.engine.stop()
        if self._started is not None:
            self.engine._shut_down(self._started)
        self.runtime.close()

    @property
    def is_at_rest(self) -> bool:
        engine = self.engine
        held = engine._dispatcher.held or len(engine._lanes) or engine._outbox.unacknowledged or engine._outbox.full
        return self._started is not None and not held and not engine._rereader.busy


class World:
    """A seed's."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = rng = random.Random(seed)
        self.config = config(rng)
        self.is_async = rng.random() < 0.4
        self.workers = rng.choice([1, 1, 2, 4])
        self.clock = Clock()
        cfg = self.config
        self.history = History(
            cfg.ordering,
            cfg.retry.attempts,
            cfg.guarantee == "ExactlyOnce",
            cfg.response is not None,
            seed,
            cfg.is_request,
        )
        self.history.now = lambda: self.clock.now
        places = [("in", number) for number in range(rng.choice([1, 2, 3]))]
        self.broker = Broker(rng, self.clock, self.history, places)
        self.broker.are_requests = cfg.is_request
        self.current: Pod | None = None
        self.pods: list[Pod] = []
        self._numbers = itertools.count()
        self._keys: list[bytes | None] = [None, b"", *(b"k%d" % number for number in range(rng.choice([1, 4, 12])))]
        self._plans = rng.choice([PLANS, PLANS, ("ok",), ("ok", "fail-1"), ("ok", "ok", "crash-1", "crash", "down-1")])
        self._trouble = rng.choice([0.0, 0.1, 0.3])
        self._killing = rng.choice([0.0, 0.0, 0.01])
        self._moving = rng.choice([0.0, 0.02, 0.05])
        self._refusing = rng.choice([0.0, 0.0, 0.01])
        self._silent = rng.choice([0.0, 0.0, 0.3])

    def run(self) -> None:
        """BrokenPromiseError where a promise is broken."""
        with self._patched():
            self._start_pod()
            self._append(self.rng.randint(10, 60))
            self.broker.trouble = self._trouble
            for _ in range(self.rng.choice([40, 150])):
                self._happen()
                self._turn()
            self._mend()
            self._come_to_rest()

    @contextmanager
    def _patched(self) -> Iterator[None]:
        """Time is the world's, and nothing hangs on where objects are in memory."""
        random.seed(self.seed)
        clock = self.clock
        with ExitStack() as stack:
            patches: tuple[Any, ...] = (
                mock.patch.object(time, "monotonic", clock.monotonic),
                mock.patch.object(time, "time", clock.time),
                mock.patch.object(time, "sleep", clock.sleep),
                mock.patch.object(threading, "Timer", _nothing),
                mock.patch.object(threading, "Thread", _nothing),
                mock.patch.object(Lane, "__hash__", lambda lane: hash(lane.id)),
                mock.patch.object(Partition, "__hash__", lambda partition: partition.number),
                mock.patch.object(transaction, "in_background", self._in_background),
                mock.patch.object(transaction, "OVERRUN", OVERRUN),
                mock.patch.object(transaction, "wait", lambda calls, seconds: clock.wait(seconds, calls[0].done)),
                mock.patch.object(dispatcher, "hash", _stable_hash, create=True),
                mock.patch.object(source, "Consumer", lambda settings: self._current.connect(settings)),
                mock.patch.object(source, "AdminClient", _nothing),
                mock.patch.object(source, "Membership", _nothing),
                mock.patch.object(topics, "ask_ids", lambda *_: {}),
                mock.patch.object(log_offsets, "ranges", self.broker.ranges),
                mock.patch.object(rereading, "Consumer", lambda _: Reader(self.broker, self._current.port)),
                mock.patch.object(at_least_once, "Producer", self._producer),
                mock.patch.object(exactly_once, "Producer", self._producer),
            )
            for patch in patches:
                stack.enter_context(patch)
            yield

    @property
    def _current(self) -> Pod:
        assert self.current is not None
        return self.current

    def _producer(self, settings: dict[str, Any]) -> Producer:
        return Producer(self.broker, self._current.port, settings)

    def _in_background(self, name: str, call: Callable[[], object]) -> "Future[None]":
        """What the engine has done beside its loop happens a little later, or after everybody has given it up, if its process
        lives then.
        """
        pod, answer = self._current, Future[None]()

        def run() -> None:
            if pod not in self.pods:
                return
            killed_at, pod.killed_at = pod.killed_at, None  # the call alone does not end the process
            try:
                call()
            except KafkaException as problem:
                answer.set_exception(problem)
            else:
                answer.set_result(None)
            finally:
                pod.killed_at = killed_at

        hangs = name == "commit" and self.broker.fails(0.5)
        self.clock.schedule(2 * OVERRUN if hangs else self.rng.choice([0.0, 0.001, 0.01, 0.05]), run)
        return answer

    # What happens

    def _happen(self) -> None:
        """An accident, or not."""
        rng = self.rng
        if rng.random() < 0.2:
            self._append(rng.randint(1, 12))
        if rng.random() < self._moving:
            self._move()
        if rng.random() < self._killing and self.pods:
            rng.choice(self.pods).killed_at = rng.randint(1, 150)
        if rng.random() < self._refusing:
            self.broker.refusing[rng.choice([RESPONSES, DEAD_LETTERS, OUTPUTS])] = self.clock.now + rng.uniform(
                0.1, 3.0
            )
        if rng.random() < 0.02:
            self._ask_people(rng.choice(["retry", "skip", "dead-letter"]))
        if rng.random() < self._moving / 4 and len(self.pods) < 3:
            self._start_pod()
        if rng.random() < self._moving / 8 and len(self.pods) > 1:
            self._stop_pod(rng.choice(self.pods))

    def _append(self, count: int) -> None:
        places = sorted(self.broker.logs)
        for _ in range(count):
            gap = self.rng.choice([0, 0, 0, 1, 5])
            plan = self.rng.choice(self._plans)
            if plan in LARGE and self.config.on_failure in ("Block", "Stop") and not self.config.is_request:
                plan = "ok"  # it would block behind later messages that ran already
            if (plan == "filter" and self.config.is_request) or (plan == "split" and self.config.response is None):
                plan = "ok"  # each request is answered; without responses it has one record alone
            self.broker.append(self.rng.choice(places), self.rng.choice(self._keys), plan, gap)
        for place in places:
            if self.rng.random() < 0.2:
                self.broker.logs[place].end += 1  # a transaction's marker

    def _start_pod(self) -> None:
        pod = Pod(self, next(self._numbers))
        pod.runtime.silent = self._silent
        self.pods.append(pod)
        self.history.say(f"{pod} starts")

    def _stop_pod(self, pod: Pod) -> None:
        self.history.say(f"{pod} is told to stop")
        self._do(pod, pod.shut_down)
        if pod in self.pods:
            self.pods.remove(pod)

    def _move(self) -> None:
        """A partition goes from one pod to another, or to the same, with or without its knowledge."""
        places = sorted(self.broker.owners.keys() - self.broker.assigning)
        members = [pod.member for pod in self.pods if pod.member is not None]
        if not places or not members:
            return
        place, member = self.rng.choice(places), self.rng.choice(members)
        how = self.rng.choice([self.broker.move, self.broker.move, self.broker.lose])
        self.history.say(f"{how.__name__} {place[0]}-{place[1]} to {member.pod}")
        how(place, member)

    def _assign(self) -> None:
        """What nobody has is given to somebody."""
        members = [pod.member for pod in self.pods if pod.member is not None]
        for place in [place for place, owner in self.broker.owners.items() if not owner.alive]:
            del self.broker.owners[place]
            self.broker.assigning.discard(place)
        for place in sorted(self.broker.logs):
            if place not in self.broker.owners and place not in self.broker.assigning and members:
                self.broker.give(place, self.rng.choice(members))

    def _turn(self) -> None:
        """Each pod goes on."""
        if not self.pods:
            self._start_pod()
        self._assign()
        for pod in list(self.pods):
            for _ in range(self.rng.randint(1, 3)):
                if pod in self.pods:
                    self._do(pod, pod.step)
        for pod in self.pods:
            self._check_bounds(pod)

    def _do(self, pod: Pod, what: Callable[[], None]) -> None:
        self.current = pod
        try:
            what()
        except Killed:
            self._killed(pod)

    def _killed(self, pod: Pod) -> None:
        self.history.say(f"{pod} is killed")
        self.pods.remove(pod)
        pod.runtime.close()
        if pod.member is not None:
            pod.member.alive = False
            for place, owner in list(self.broker.owners.items()):
                if owner is pod.member:
                    del self.broker.owners[place]
                    self.broker.assigning.discard(place)
        own = f"group.{pod.number}"
        for producer in [producer for producer in self.broker.pending if producer.id == own]:
            producer._forget()

    def _check_bounds(self, pod: Pod) -> None:
        engine = pod.engine
        if min(engine._dispatcher.bytes, engine._lanes.bytes, engine._outbox.bytes) < 0:
            self.history.fail(f"{pod} counts fewer bytes than none")
        # Suspects run by the group, whatever other workers have.
        if engine._dispatcher.in_flight > 2 * self.config.max_in_flight:
            self.history.fail(f"{pod} has {engine._dispatcher.in_flight} messages in flight")
        # What a lane reads again comes on top, up to as much as may be held.
        if engine._dispatcher.held > 2 * self.config.max_in_flight + READ:
            self.history.fail(f"{pod} holds {engine._dispatcher.held} messages")

    # People

    def _ask_people(self, action: str) -> None:
        for pod in self.pods:
            pod.control.waiting.append((ListBlocked(), partial(self._decide, pod, action)))
            pod.control.waiting.append((Resume(), self._resumed))

    def _decide(self, pod: Pod, action: Any, answer: Any) -> None:
        keys = [
            BlockedRef(each.topic, each.partition, each.offset) for each in answer.blocked if self.rng.random() < 0.7
        ]
        for each in keys:
            message = self.history.known[(each.topic, each.partition, each.offset)]
            self.history.say(f"somebody decides {action} about {message}")
            message.skipped = message.skipped or action == "skip"
            message.forgiven += 1
        pod.control.waiting.append((ResolveBlocked(action, keys), lambda _: None))

    def _resumed(self, answer: Any) -> None:
        if answer.count:
            self.history.say("somebody resumes")
            for message in self.history.known.values():
                message.forgiven += 1

    # The end

    def _mend(self) -> None:
        self.history.say("the trouble is over")
        self.broker.trouble = 0.0
        self.broker.refusing.clear()
        for pod in self.pods:
            pod.killed_at = None

    def _come_to_rest(self) -> None:
        deadline = self.clock.now + REST
        for turn in itertools.count():
            for pod in self.pods:
                pod.runtime.silent = 0.0
                pod.runtime.is_mended = self.config.on_failure in ("Block", "Stop") and not self.config.is_request
            if turn % 20 == 0:
                self._ask_people("retry")
            self._turn()
            if self._is_at_rest():
                break
            if self.clock.now > deadline or turn > TURNS:
                self.history.fail(f"it does not come to rest: {self._unrest()}")
        self._check_bounds_at_rest()
        broker = self.broker
        self.history.at_rest((place, log.end, broker.position(place)) for place, log in broker.logs.items())
        for pod in list(self.pods):
            self._stop_pod(pod)

    def _is_at_rest(self) -> bool:
        broker = self.broker
        return all(pod.is_at_rest for pod in self.pods) and all(
            place in broker.offsets and broker.position(place).watermark == log.end
            for place, log in broker.logs.items()
        )

    def _unrest(self) -> str:
        pods = []
        for pod in self.pods:
            engine = pod.engine
            lanes = [
                (lane.id, lane.partition.name, [record[1] for record in lane.records], lane) for lane in engine._lanes
            ]
            pods.append(
                f"{pod}: held {engine._dispatcher.held}, in flight {engine._dispatcher.in_flight}, "
                f"outbox {engine._outbox.unacknowledged} {engine._outbox.full} {engine._outbox.problems}, "
                f"breaker {engine._breaker.open}, lanes {lanes}"
            )
        committed = {
            place: self.broker.offsets.get(place) and self.broker.position(place) for place in self.broker.logs
        }
        return f"{pods}; {committed}; ends {[log.end for log in self.broker.logs.values()]}"

    def _check_bounds_at_rest(self) -> None:
        for pod in self.pods:
            engine = pod.engine
            counts = engine._dispatcher.bytes, engine._lanes.bytes, engine._lanes.waiting, engine._outbox.bytes
            if any(counts):
                self.history.fail(
                    f"{pod} holds at rest {counts} (dispatcher bytes, lanes bytes, lanes waiting, outbox bytes)"
                )


def _stable_hash(value: Any) -> int:
    """The builtin differs from process to process."""
    return zlib.crc32(repr(value).encode())


def _nothing(*_: Any, **__: Any) -> mock.Mock:
    """Threads that end clients, and the client that asks whether this is a member, have nothing to do here."""
    return mock.Mock()


def _no_answer(_: str) -> "Future[Any]":
    answer: Future[Any] = Future()
    answer.set_result({})
    return answer


def explain(world: World, error: BaseException) -> str:
    """How to run it alone, and what happened in it."""
    lines = [f"{when:10.4f} {line}" for when, line in world.history.lines]
    settings = {name: value for name, value in msgspec.structs.asdict(world.config).items() if name in _TELLING}
    kind = "async" if world.is_async else "sync"
    return "\n".join(
        [
            *lines,
            f"{settings}, {kind}, at most {world.workers} workers",
            f"seed {world.seed}: {type(error).__name__}: {error}",
            f"to run it alone: python -m tests.simulation --seeds {world.seed}",
        ]
    )


_TELLING = {
    "ordering",
    "max_in_flight",
    "max_buffered_bytes",
    "retry",
    "guarantee",
    "on_failure",
    "breaker",
    "response",
    "transforming",
}


__all__ = ["BrokenPromiseError", "World", "explain"]
