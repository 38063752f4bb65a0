"""Do the brokers answer, and which of a trigger's topics exist: the operator's check, with few clients for many triggers.

An admin client costs four threads and open connections, so clients are shared by all triggers of the same brokers, at
most `limit` live, and those that nobody used for a while are closed. The operator's clients take no tuning options of a
trigger: one user's options must not change what another user's trigger shares.
"""

import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import TopicDescription

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.moves import Group
from kafkatrigger.api.topic_pattern import matching
from kafkatrigger.kafka.admin import Admin
from kafkatrigger.kafka.client import connection
from kafkatrigger.kafka.topics import topic_id

T = TypeVar("T")

TIMEOUT = 5.0
"""Seconds that brokers have to answer."""
IDLE = 150.0
"""Seconds after which an unused client is closed."""
LIMIT = 32
"""Most clients alive."""

_ABSENT = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION}


@dataclass(frozen=True)
class Target:
    """What a trigger needs of its brokers."""

    servers: tuple[str, ...]
    topics: tuple[str, ...]
    pattern: str = ""
    """Instead of topics."""
    namespace: str = ""
    """Set where a server's host is a name of one label, which means something else in each namespace."""


@dataclass(frozen=True)
class FoundTopic:
    """A topic that exists."""

    name: str
    partitions: int
    topic_id: str = ""
    """In hexadecimal digits; empty where the broker does not say."""


@dataclass(frozen=True)
class Finding:
    """What a check found: all well when nothing is set."""

    unreachable: str = ""
    """Why no broker answered."""
    missing: tuple[str, ...] = ()
    """Topics that do not exist."""
    refused: tuple[tuple[str, str], ...] = ()
    """Topics that exist and may not be read, with the broker's words."""
    topics: tuple[FoundTopic, ...] = ()
    """Of the topics that were named, those that exist, by name; none where nobody answered."""
    matching: int = 0
    """Topics that match the pattern. That none does is no fault."""

    @property
    def healthy(self) -> bool:
        return not (self.unreachable or self.missing or self.refused)


@dataclass
class _Client:
    admin: Admin
    last_error: list[str]
    users: int = 0
    used: float = field(default_factory=time.monotonic)


def target(namespace: str, servers: list[str], topics: list[str], pattern: str = "") -> Target:
    """The question of a trigger, equal for triggers that need the same."""
    return Target(tuple(sorted(servers)), tuple(sorted(topics)), pattern, where_it_matters(namespace, servers))


def where_it_matters(namespace: str, servers: Iterable[str]) -> str:
    """The namespace, where a server's name means something else in another one."""
    return namespace if any(is_short(server) for server in servers) else ""


def group_of(config: ConsumerConfig) -> Group:
    """The group of a trigger, for errands."""
    servers = tuple(sorted(config.bootstrap_servers))
    return Group(servers, config.group_id, where_it_matters(config.namespace, servers))


class Brokers:
    """The shared clients. Safe to use from several threads; at most as many checks run as threads ask."""

    def __init__(self, timeout: float = TIMEOUT, idle: float = IDLE, limit: int = LIMIT) -> None:
        self._timeout, self._idle, self._limit = timeout, idle, limit
        self._clients: OrderedDict[tuple[str, ...], _Client] = OrderedDict()
        self._lock = threading.Lock()
        self._closed: Future[None] = Future()

    def check(self, target: Target) -> Finding:
        """Asks the brokers; takes about the timeout at most, and never raises for what brokers do."""
        with self._client(target.servers, target.namespace) as client:
            return self._match(client, target.pattern) if target.pattern else self._ask(client, target.topics)

    @contextmanager
    def admin(self, servers: tuple[str, ...], namespace: str) -> Iterator[Admin]:
        """A shared client for other questions; what it answers is to be waited for with `result`."""
        with self._client(servers, namespace) as client:
            yield client.admin

    def result(self, answer: Future[T]) -> T:
        """The answer; KafkaException, or TimeoutError where none came or the process is told to end."""
        either: tuple[Future[Any], ...] = (answer, self._closed)
        wait(either, self._timeout + 1, FIRST_COMPLETED)
        return answer.result(0)

    def close_idle(self) -> None:
        """Closes clients that nobody used for a while."""
        oldest = time.monotonic() - self._idle
        with self._lock:
            closed = [key for key, client in self._clients.items() if not client.users and client.used < oldest]
            # Bound until the lock is free: destroying a client joins its threads.
            clients = [self._clients.pop(key) for key in closed]
        del clients

    def close(self) -> None:
        """Ends the checks that run, so that nobody waits for brokers when the process is told to end."""
        self._closed.set_result(None)

    def __len__(self) -> int:
        return len(self._clients)

    @contextmanager
    def _client(self, servers: tuple[str, ...], namespace: str) -> Iterator[_Client]:
        client, evicted = self._take(_qualified(servers, namespace))
        del evicted
        try:
            yield client
        finally:
            with self._lock:
                client.users -= 1
                client.used = time.monotonic()

    def _take(self, servers: tuple[str, ...]) -> tuple[_Client, list[_Client]]:
        with self._lock:
            client = self._clients.get(servers) or _connect(servers)
            client.users += 1
            self._clients[servers] = client
            self._clients.move_to_end(servers)
            unused = [key for key, other in self._clients.items() if not other.users]
            excess = max(0, len(self._clients) - self._limit)
            return client, [self._clients.pop(key) for key in unused[:excess]]

    def _match(self, client: _Client, pattern: str) -> Finding:
        try:
            return Finding(matching=len(matching(pattern, client.admin.list_topics(timeout=self._timeout).topics)))
        except KafkaException as error:
            return Finding(unreachable=_words(client, error.args[0]))

    def _ask(self, client: _Client, topics: Iterable[str]) -> Finding:
        futures: Mapping[str, Future[TopicDescription]] = client.admin.describe_topics(
            TopicCollection(list(topics)), request_timeout=self._timeout
        )
        found, missing, refused = [], [], []
        for topic, future in futures.items():
            try:
                described = self.result(future)
                found.append(FoundTopic(topic, len(described.partitions), topic_id(described).hex()))
            except KafkaException as error:
                reason: KafkaError = error.args[0]
                if reason.code() in _ABSENT:
                    missing.append(topic)
                elif reason.code() < 0 or reason.retriable():
                    return Finding(unreachable=_words(client, reason))
                else:
                    refused.append((topic, reason.str()))
            except TimeoutError:
                return Finding(unreachable="no answer in time")
        by_name = tuple(sorted(found, key=lambda each: each.name))
        return Finding(missing=tuple(sorted(missing)), refused=tuple(sorted(refused)), topics=by_name)


def _qualified(servers: tuple[str, ...], namespace: str) -> tuple[str, ...]:
    return tuple(qualified(server, namespace) for server in servers) if namespace else servers


def qualified(server: str, namespace: str) -> str:
    """`server` as a pod of `namespace` understands it.

    A name of one label, such as `kafka:9092`, is a Service of the pod's own namespace; asked from the operator's it
    would be another one, or none. Where no such Service is known the name stays as it is.
    """
    host, _, port = server.rpartition(":")
    if not is_short(server):
        return server
    name = f"{host}.{namespace}.svc"
    return f"{name}:{port}" if _resolves(name) else server


def is_short(server: str) -> bool:
    """Whether the host is a name of one label, whose meaning depends on the namespace."""
    host = server.rpartition(":")[0]
    return "." not in host and ":" not in host and host != "localhost"


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, None))
    except OSError:
        return False


def _connect(servers: tuple[str, ...]) -> _Client:
    errors: list[str] = []

    def remember(error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            errors[:] = [error.str()]

    return _Client(Admin(connection(servers, {}), error_cb=remember), errors)


def _words(client: _Client, reason: KafkaError) -> str:
    """The connection's own error says more than the time-out that it ended in; it waits for a poll to be told."""
    client.admin.poll(0)
    text = client.last_error[0] if client.last_error else reason.str()
    return text.split("(after", 1)[0].strip()
