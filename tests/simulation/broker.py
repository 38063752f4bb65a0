"""Brokers in memory: source topics, the group and its commits, topics that are written to; and the clients of them."""

import json
import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from kafkatrigger.consumer.offsets import Position, decode_metadata
from tests.simulation.clock import Clock
from tests.simulation.history import FAILURE, OUTPUTS, History, Place, request_of

RESPONSES = "responses"
DEAD_LETTERS = "dead-letters"

READ = 20
"""Messages that a client has at hand for one read, at most: so few that reading has to stop now and then."""


class Killed(BaseException):
    """The process ends here and now."""


class Log:
    """A partition of a source topic. Offsets have gaps."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes | None, bytes]] = []
        """Offset, key, value."""
        self.end = 0


class Broker:
    """What all clients talk to."""

    def __init__(self, rng: random.Random, clock: Clock, history: History, places: Sequence[Place]) -> None:
        self.rng, self.clock, self.history = rng, clock, history
        self.logs = {place: Log() for place in places}
        self.offsets: dict[Place, tuple[int, str]] = {}
        self.owners: dict[Place, GroupConsumer] = {}
        self.assigning: set[Place] = set()
        """Places on their way from one member to another."""
        self.trouble = 0.0
        """The share of requests that fail."""
        self.pending: dict[Producer, set[Place]] = {}
        """Offsets of open transactions: nobody can read what is committed meanwhile."""
        self.latest: dict[str | None, Producer] = {}
        """Of each transactional id: the others are fenced."""
        self.are_requests = False
        """What is appended is requests."""
        self.refusing: dict[str, float] = {}
        """Topics that take no writes, and until when."""

    def fails(self, weight: float = 1.0) -> bool:
        return self.rng.random() < self.trouble * weight

    def append(self, place: Place, key: bytes | None, plan: str, gap: int) -> None:
        """A message, behind a gap as compaction leaves it."""
        log = self.logs[place]
        offset = log.end + gap
        value = request_of((*place, offset), plan) if self.are_requests else plan.encode()
        log.messages.append((offset, key, value))
        log.end = offset + 1
        self.history.appended((*place, offset), key, plan)

    def ranges(self, _admin: object, places: Iterable[Place], _timeout: float) -> dict[Place, tuple[int, int]]:
        """What an admin client would be told."""
        return {place: (0, self.logs[place].end) for place in places}

    def owns(self, member: "GroupConsumer", place: Place) -> bool:
        """One that was not told yet of a loss is fenced, even if the partition came back to it meanwhile."""
        return self.owners.get(place) is member and ("lost", place) not in member.news

    def store(self, member: "GroupConsumer", at: TopicPartition) -> bool:
        """Takes a commit, if the member owns the partition."""
        place = at.topic, at.partition
        if not self.owns(member, place):
            return False
        self.offsets[place] = at.offset, at.metadata or ""
        self.history.committed(place, self.position(place), self.logs[place].end)
        return True

    def position(self, place: Place) -> Position:
        """What is committed, as a restart reads it."""
        offset, metadata = self.offsets[place]
        return decode_metadata(offset, metadata)[1]

    def refuses(self, topic: str) -> bool:
        return self.refusing.get(topic, 0.0) > self.clock.now

    def publish(self, record: "Produced") -> None:
        """Appends to a topic that is written to."""
        topic, value = record.topic, record.value
        if topic == DEAD_LETTERS:
            headers = dict(record.headers)
            partition, offset = (int(headers[f"kafkatrigger.source.{name}"]) for name in ("partition", "offset"))
            of = headers["kafkatrigger.source.topic"].decode(), partition, offset
            self.history.published(topic, of, -1)
            self.history.traces.published(of, record.headers, is_dead_letter=True)
        elif value.startswith(b"{"):
            name, *numbers = json.loads(value)["job_id"].split("/")
            partition, offset = map(int, numbers)
            self.history.published(topic, (name, partition, offset), FAILURE)
            self.history.traces.published((name, partition, offset), record.headers, is_dead_letter=False)
        elif topic not in (RESPONSES, OUTPUTS):
            self.history.fail(f"{value!r} goes to {topic}, which nobody named")
        else:
            name, *numbers = value.decode().split("/")[:4]
            partition, offset, number = map(int, numbers)
            self.history.published(topic, (name, partition, offset), number)
            self.history.traces.published((name, partition, offset), record.headers, is_dead_letter=False)

    # The group

    def give(self, place: Place, member: "GroupConsumer") -> None:
        """The partition is the member's from now on; it is told when it polls."""
        self.assigning.discard(place)
        self.owners[place] = member
        member.news.append(("assign", place))

    def move(self, place: Place, member: "GroupConsumer") -> None:
        """The owner gives it up first."""
        self.assigning.add(place)
        self.owners[place].news.append(("revoke", place))
        self.owners[place].heirs[place] = member

    def lose(self, place: Place, member: "GroupConsumer") -> None:
        """The owner hears of it later."""
        owner = self.owners.pop(place)
        self.history.lost.add(place)
        owner.news.append(("lost", place))
        self.give(place, member)


class _Consumer:
    """What reading has in common. `port` is called at each call, and may end the process."""

    def __init__(self, broker: Broker, port: Callable[[], None]) -> None:
        self._broker, self._port = broker, port
        self._positions: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self._told_end: dict[Place, int] = {}

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        for each in places:
            place = each.topic, each.partition
            assert place not in self._positions, f"{place} is assigned already"
            self._positions[place] = each.offset
            self._told_end.pop(place, None)

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        for each in places:
            del self._positions[(each.topic, each.partition)]  # that it is paused is remembered

    def pause(self, places: list[TopicPartition]) -> None:
        self._paused |= {(each.topic, each.partition) for each in places}

    def resume(self, places: list[TopicPartition]) -> None:
        self._paused -= {(each.topic, each.partition) for each in places}

    def get_watermark_offsets(self, at: TopicPartition, timeout: float = 0, cached: bool = False) -> tuple[int, int]:  # noqa: ARG002
        return 0, self._broker.logs[(at.topic, at.partition)].end

    def _fetch(self, most: int) -> list[Message]:
        rng = self._broker.rng
        found: list[Message] = []
        places = sorted(self._positions.keys() - self._paused)
        rng.shuffle(places)
        for place in places:
            if len(found) < most:
                found += self._fetch_of(place, min(most - len(found), rng.randint(1, 30)))
        return found

    def _fetch_of(self, place: Place, most: int) -> list[Message]:
        log, start = self._broker.logs[place], self._positions[place]
        # Messages are few, and the last of them are what is wanted mostly.
        first = len(log.messages)
        while first and log.messages[first - 1][0] >= start:
            first -= 1
        taken = log.messages[first : first + most]
        found = [
            Message(
                topic=place[0],
                partition=place[1],
                offset=offset,
                key=key,
                value=value,
                headers=self._broker.history.traces.headers((*place, offset)),
                timestamp=(1, offset),
            )
            for offset, key, value in taken
        ]
        if taken:
            self._positions[place] = taken[-1][0] + 1
        if first + most >= len(log.messages) and self._told_end.get(place) != log.end and len(found) < most:
            self._told_end[place] = self._positions[place] = log.end
            error = KafkaError(KafkaError._PARTITION_EOF)
            found.append(Message(topic=place[0], partition=place[1], offset=log.end, error=error))
        return found

    def close(self) -> None:
        self._positions.clear()


class Reader(_Consumer):
    """A consumer that is no member of the group."""

    def consume(self, most: int, timeout: float) -> list[Message]:  # noqa: ARG002
        self._port()
        return self._fetch(most) if self._broker.rng.random() < 0.7 else []


class GroupConsumer(_Consumer):
    """A member of the group."""

    def __init__(self, broker: Broker, port: Callable[[], None], pod: object, settings: dict[str, Any]) -> None:
        super().__init__(broker, port)
        self.pod = pod
        self.news: list[tuple[str, Place]] = []
        """Changes of the assignment that it was not told of yet, in their order."""
        self.heirs: dict[Place, GroupConsumer] = {}
        self._reports: list[Callable[[], None]] = []
        self._on_commit = settings["on_commit"]
        self.alive = True
        self.generation = 0
        """Another after each change of its assignment."""

    def subscribe(self, topics: list[str], on_assign: Any, on_revoke: Any, on_lost: Any) -> None:  # noqa: ARG002
        self._on = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost}

    def memberid(self) -> str:
        return str(self.pod)

    def consumer_group_metadata(self) -> "Generation":
        return self, self.generation

    def poll(self, timeout: float) -> Message | None:
        self._port()
        self._serve()
        found = self._fetch(1)
        if not found:
            self._broker.clock.wait(timeout, lambda: self.news or self._reports)
            self._serve()
            found = self._fetch(1)
        return found[0] if found else None

    def consume(self, most: int, timeout: float) -> list[Message]:  # noqa: ARG002
        self._port()
        if self._broker.rng.random() < 0.3:
            self._serve()
        return self._fetch(min(most, READ))

    def _serve(self) -> None:
        """Callbacks run inside of polling."""
        while self._reports:
            self._reports.pop(0)()
        while self.news:
            what, place = self.news[0]
            if what == "assign" and any(place in places for places in self._broker.pending.values()):
                return  # the client asks for what is committed until it is told
            self._told(*self.news.pop(0))

    def _told(self, what: str, place: Place) -> None:
        broker = self._broker
        if what != "assign" and place not in self._positions:
            if what == "revoke":
                self.heirs.pop(place, None)
                broker.assigning.discard(place)
            return
        self._on[what](self, [TopicPartition(*place)])
        self.generation += 1
        if what == "revoke":
            if broker.owners.get(place) is self:
                del broker.owners[place]
            heir = self.heirs.pop(place)
            if heir.alive:
                broker.give(place, heir)
            else:
                broker.assigning.discard(place)

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        for each in places:
            place = each.topic, each.partition
            self._broker.history.assigned(self.pod, place, each.offset, self._broker.position(place))
        super().incremental_assign(places)

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:  # noqa: ARG002
        self._port()
        if self._broker.fails():
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        found = []
        for each in places:
            offset, metadata = self._broker.offsets.get((each.topic, each.partition), (-1001, ""))
            found.append(TopicPartition(each.topic, each.partition, offset, metadata))
        return found

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition] | None:
        self._port()
        broker = self._broker
        if asynchronous:
            broker.clock.schedule(broker.rng.uniform(0.0, 0.02), partial(self._take_commit, offsets))
            return None
        if broker.fails():
            code = broker.rng.choice([KafkaError.STALE_MEMBER_EPOCH, KafkaError._TIMED_OUT])
            if code == KafkaError._TIMED_OUT and broker.rng.random() < 0.5:
                self._stored(offsets)
            raise KafkaException(KafkaError(code))
        return self._stored(offsets)

    def _stored(self, offsets: list[TopicPartition]) -> list[TopicPartition]:
        fenced = KafkaError(KafkaError.ILLEGAL_GENERATION)
        told = []
        for each in offsets:
            answer = TopicPartition(each.topic, each.partition, each.offset)
            told.append(answer if self._broker.store(self, each) else SimpleNamespace(
                topic=each.topic, partition=each.partition, offset=each.offset, error=fenced
            ))  # fmt: skip
        return told

    def _take_commit(self, offsets: list[TopicPartition]) -> None:
        """The request arrives, or not; its answer arrives, or not, later."""
        broker = self._broker
        is_lost = broker.fails()
        told = offsets if is_lost else self._stored(offsets)
        error = KafkaError(KafkaError.REQUEST_TIMED_OUT) if is_lost or broker.fails(0.5) else None
        report = partial(self._on_commit, error, told)
        broker.clock.schedule(broker.rng.uniform(0.0, 0.05), lambda: self._reports.append(report))

    def list_topics(self, topic: str, timeout: float) -> Any:  # noqa: ARG002
        is_known = any(topic == name for name, _ in self._broker.logs)
        error = None if is_known else KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        return SimpleNamespace(topics={topic: SimpleNamespace(error=error)})

    def close(self) -> None:
        """Leaves the group, having been asked to give up what it has."""
        for place in sorted(self._positions):
            self.news.append(("revoke", place))
            self.heirs.setdefault(place, self)
        self.alive = False
        self._serve()
        super().close()


Generation = tuple[GroupConsumer, int]
"""By what the coordinator recognises a commit of a member that has missed a rebalance."""


class Produced(SimpleNamespace):
    """A record that the client has."""

    topic: str
    value: bytes
    headers: list[tuple[str, bytes]]


class Producer:
    """A producer, with transactions where its settings have an id for them."""

    def __init__(self, broker: Broker, port: Callable[[], None], settings: dict[str, Any]) -> None:
        self._broker, self._port = broker, port
        self._on_delivery: Callable[..., None] = settings.get("on_delivery") or _nobody
        self.id: str | None = settings.get("transactional.id")
        self._is_transactional = self.id is not None
        self._queue: list[Produced] = []
        self._written: list[Produced] = []
        """Of the open transaction."""
        self._offsets: list[TopicPartition] = []
        self._is_doomed = False
        self._room = broker.rng.choice([15, 60, 10_000])

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,  # noqa: ARG002
        headers: Any = None,
        timestamp: int = 0,  # noqa: ARG002
        on_delivery: Any = None,
    ) -> None:
        self._port()
        if len(self._queue) >= self._room:
            raise BufferError
        self._queue.append(Produced(topic=topic, value=value, key=key, headers=headers or [], callback=on_delivery))

    def poll(self, timeout: float) -> int:  # noqa: ARG002
        self._port()
        if self._broker.rng.random() < 0.5:
            self._send(self._broker.rng.randint(1, 20))
        return 0

    def __len__(self) -> int:
        return len(self._queue)

    def flush(self, timeout: float) -> int:
        self._port()
        self._broker.clock.wait(self._broker.rng.uniform(0.0005, 0.003))
        if self._broker.fails():
            self._broker.clock.wait(timeout)
            self._send(self._broker.rng.randint(0, len(self._queue)))
        else:
            self._send(len(self._queue))
        return len(self._queue)

    def _send(self, most: int) -> None:
        """Writes some, by the batch; where a batch fails, what is behind it in its topic fails as well."""
        batch, self._queue = self._queue[:most], self._queue[most:]
        failed: dict[str, KafkaError] = {}
        for topic in sorted({each.topic for each in batch}):
            if error := self._error(topic, [each for each in batch if each.topic == topic]):
                failed[topic] = error
        left = [each for each in self._queue if each.topic in failed]
        self._queue = [each for each in self._queue if each.topic not in failed]
        for record in [*batch, *left]:
            error = failed.get(record.topic)
            if error is not None:
                self._is_doomed = self._is_transactional
            elif self._is_transactional:
                self._written.append(record)
            else:
                self._broker.publish(record)
            self._report(record, error)

    def _error(self, topic: str, batch: list[Produced]) -> KafkaError | None:
        if self._broker.refuses(topic):
            return KafkaError(KafkaError.NOT_ENOUGH_REPLICAS)
        if topic == RESPONSES and any(each.value.endswith(b"/large") for each in batch):
            return KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
        return None

    def _report(self, record: Produced, error: KafkaError | None) -> None:
        callback = record.callback or self._on_delivery
        callback(error, Message(topic=record.topic, key=record.key, value=record.value, error=error))

    # Transactions

    def init_transactions(self, timeout: float) -> None:  # noqa: ARG002
        self._port()
        self._broker.latest[self.id] = self
        for other in [other for other in self._broker.pending if other.id == self.id]:
            other._forget()
        if self._broker.fails():
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "", False, True))

    def begin_transaction(self) -> None:
        self._port()
        self._written, self._offsets, self._is_doomed = [], [], False

    def send_offsets_to_transaction(self, offsets: list[TopicPartition], of: Generation, timeout: float) -> None:  # noqa: ARG002
        self._check_epoch()
        if self._broker.fails():
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "", False, True))
        if not self._is_owner(of, offsets) or self._broker.fails(0.5):
            raise KafkaException(KafkaError(KafkaError.ILLEGAL_GENERATION, "", False, False, True))
        self._offsets = list(offsets)
        self._broker.pending[self] = {(each.topic, each.partition) for each in offsets}

    def _check_epoch(self) -> None:
        self._port()
        if self._broker.latest[self.id] is not self:
            raise KafkaException(KafkaError(KafkaError._FENCED, "", True))

    def _is_owner(self, of: Generation, offsets: list[TopicPartition]) -> bool:
        member, generation = of
        return member.generation == generation and all(
            self._broker.owns(member, (each.topic, each.partition)) for each in offsets
        )

    def commit_transaction(self, timeout: float) -> None:  # noqa: ARG002
        self._check_epoch()
        self._send(len(self._queue))
        if self._is_doomed or self._broker.fails(0.5):
            raise KafkaException(KafkaError(KafkaError._FAIL, "", False, False, True))
        if self._broker.fails(0.5):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "", False, True))
        is_unknown = self._broker.fails(0.5)
        if not is_unknown or self._broker.rng.random() < 0.5:
            self._finish()
        if is_unknown:
            raise KafkaException(KafkaError(KafkaError._FATAL, "", True))

    def _finish(self) -> None:
        for record in self._written:
            self._broker.publish(record)
        for each in self._offsets:
            # Offsets that the coordinator accepted are written with the transaction, whoever owns the partition by then.
            self._broker.offsets[(each.topic, each.partition)] = each.offset, each.metadata or ""
            place = each.topic, each.partition
            self._broker.history.committed(place, self._broker.position(place), self._broker.logs[place].end)
        self._forget()

    def _forget(self) -> None:
        self._written, self._offsets = [], []
        self._broker.pending.pop(self, None)

    def abort_transaction(self, timeout: float) -> None:  # noqa: ARG002
        self._port()
        if self._broker.fails():
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "", False, True))
        purged, self._queue = self._queue, []
        self._forget()
        for record in purged:
            self._report(record, KafkaError(KafkaError._PURGE_QUEUE))


def _nobody(*_: object) -> None:
    """Listens where nobody asked for reports."""
