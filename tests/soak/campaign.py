"""A campaign: two pods of one trigger, messages that keep coming, functions that fail at times, and kills.

Consumer, runtime or both of a pod are killed with SIGKILL at moments that nobody chose. What is left in the topics at the end
is the evidence; `tests.support.history` judges it.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import orjson
from confluent_kafka import Message

from kafkatrigger.consumer.offsets import Position, decode_metadata, lane_of, start
from tests.cluster.broker import HostBroker
from tests.support import history
from tests.support.history import Answer, Kill
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.traffic import Traffic
from tests.support.waiting import until

Guarantee = Literal["AtLeastOnce", "ExactlyOnce"]
Protocol = Literal["Classic", "Consumer"]
Victim = Literal["consumer", "runtime", "pod"]

PARTITIONS = 4
KEYS = 40
RATE = 200
"""Messages a second."""

PATIENCE = 120.0
"""Seconds in which all messages from before a kill have to be committed."""

AGAIN = 0.3
"""Share of kills after which the next one does not wait for recovery."""


@dataclass
class Verdict:
    """What the topics prove."""

    sent: int = 0
    answers: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    lost: list[int] = field(default_factory=list)
    invented: list[int] = field(default_factory=list)
    repeated: int = 0
    unexplained: dict[int, int] = field(default_factory=dict)
    """Repeated without need."""
    out_of_order: dict[bytes, list[int]] = field(default_factory=dict)
    dead_letters: int = 0
    recovery: list[float] = field(default_factory=list)
    """Seconds until all messages from before a kill were committed."""

    @property
    def is_kept(self) -> bool:
        """Whether the guarantee held."""
        return not (self.lost or self.invented or self.unexplained or self.out_of_order or self.dead_letters)

    @property
    def line(self) -> str:
        """All of it for people."""
        kills = ", ".join(f"{count} of a {victim}" for victim, count in sorted(self.kills.items()))
        slowest = f"{max(self.recovery):.1f} s" if self.recovery else "never awaited"
        return (
            f"{self.sent} messages, {self.answers} answers, kills: {kills}; lost {self.lost[:5]}, invented {self.invented[:5]}, "
            f"repeated {self.repeated}, of those without need {dict(list(self.unexplained.items())[:5])}, "
            f"out of order {dict(list(self.out_of_order.items())[:2])}, dead letters {self.dead_letters}, "
            f"slowest recovery {slowest}"
        )


class Campaign:
    """One campaign on a broker that misses dead members soon."""

    def __init__(self, broker: HostBroker, guarantee: Guarantee, protocol: Protocol, seed: int) -> None:
        self._broker = broker
        self._guarantee = guarantee
        self._random = random.Random(seed)
        self._topics = Topics(broker.bootstrap)
        self._source = self._topics.create(PARTITIONS, prefix="soak")
        self._topics.create_named(f"{self._source}.out", PARTITIONS)
        self._topics.create_named(f"{self._source}.dlq", PARTITIONS)
        self._spec = _spec(broker, self._source, guarantee, protocol)
        self._group = f"g.{self._source}"
        self._reasons: list[Kill] = []
        """Why something may have been repeated; under ExactlyOnce nothing is a reason."""
        self._verdict = Verdict()

    def run(self, kills: int, say: Callable[[str], None] = print) -> Verdict:
        """So many kills, then the verdict; AssertionError where messages stop flowing."""
        with Pod(self._spec) as one, Pod(self._spec) as other:
            pods = [one, other]
            for pod in pods:
                pod.wait_ready()
            with Traffic(self._broker.bootstrap, self._source, rate=RATE, keys=KEYS) as traffic:
                traffic.wait_more(RATE)
                for number in range(1, kills + 1):
                    self._kill(self._random.choice(pods))
                    if number % 10 == 0:
                        say(f"{self._guarantee}: {number} of {kills} kills, {traffic.sent} messages")
            self._wait_committed(pods)
            for pod in pods:
                pod.stop()
        return self._judge(traffic.sent)

    def _kill(self, pod: Pod) -> None:
        time.sleep(self._random.uniform(0.0, 2.0))  # the moment is nobody's choice
        victim: Victim = self._random.choice(("consumer", "consumer", "runtime", "pod"))
        self._verdict.kills[victim] = self._verdict.kills.get(victim, 0) + 1
        if victim in ("runtime", "pod"):
            pod.kill_runtime()
        if victim in ("consumer", "pod"):
            pod.kill_consumer()
            if self._guarantee == "AtLeastOnce":
                self._reasons.append(self._reason())
        if victim in ("runtime", "pod"):
            pod.start_runtime()
        if victim in ("consumer", "pod"):
            pod.start_consumer()
        if self._random.random() > AGAIN:
            begin = time.monotonic()
            self._wait_committed([pod])
            self._verdict.recovery.append(time.monotonic() - begin)

    def _reason(self) -> Kill:
        committed = self._topics.committed_with_metadata(self._group, self._source)
        positions = {number: decode_metadata(*each)[1] for number, each in committed.items()}
        return Kill(self._topics.ends(f"{self._source}.out"), _is_open(positions))

    def _wait_committed(self, pods: list[Pod]) -> None:
        """Until everything that is in the source by now is terminal."""
        ends = self._topics.ends(self._source)

        def reached() -> bool:
            committed = self._topics.committed(self._group, self._source)
            return all(committed.get(number, 0) >= end for number, end in ends.items())

        try:
            until(reached, PATIENCE, f"commits up to {ends}")
        except AssertionError as error:
            found = self._topics.committed(self._group, self._source)
            logs = "\n".join(f"{pod.status}\n{pod.logs[-6000:]}" for pod in pods)
            raise AssertionError(f"{error}; there are {found}\n{logs}") from None

    def _judge(self, sent: int) -> Verdict:
        answers = [_answer(each) for each in self._topics.read_all(f"{self._source}.out")]
        verdict, numbers = self._verdict, range(sent)
        verdict.sent, verdict.answers = sent, len(answers)
        verdict.lost = history.lost(numbers, answers)
        verdict.invented = history.invented(numbers, answers)
        verdict.repeated = sum(history.repeated(answers).values())
        verdict.unexplained = history.unexplained(answers, self._reasons)
        verdict.out_of_order = history.out_of_order(answers)
        verdict.dead_letters = len(self._topics.read_all(f"{self._source}.dlq"))
        return verdict


def _spec(broker: HostBroker, source: str, guarantee: Guarantee, protocol: Protocol) -> dict[str, object]:
    # Half of the default: soon enough for a campaign, and nothing that heartbeats under load could miss.
    quick = {"session.timeout.ms": "5000", "heartbeat.interval.ms": "1000"}
    return {
        "kafka": {"bootstrapServers": [broker.bootstrap]},
        "source": {
            "topics": [source],
            "groupId": f"g.{source}",
            "groupProtocol": protocol,
            "options": quick if protocol == "Classic" else {},
        },
        "transformation": {"function": "functions:unsteady"},
        "response": {"topic": f"{source}.out"},
        "delivery": {
            "guarantee": guarantee,
            "maxInFlight": 200,
            "deadLetter": {"topic": f"{source}.dlq"},
            # Nobody has that much bad luck: a dead letter is an attempt that was counted without reason.
            "retry": {"attempts": 30, "initialDelay": "20ms", "maxDelay": "200ms"},
        },
        "runtime": {"workers": 1},
    }


def _is_open(positions: dict[int, Position]) -> Callable[[bytes, tuple[int, int]], bool]:
    def is_open(key: bytes, source: tuple[int, int]) -> bool:
        partition, offset = source
        return positions.get(partition, start(0)).is_open(offset, lane_of("Key", key, offset))

    return is_open


def _answer(message: Message) -> Answer:
    value = orjson.loads(message.value())
    return Answer(
        message.key(), value["n"], (value["partition"], value["offset"]), (message.partition(), message.offset())
    )
