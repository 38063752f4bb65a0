"""Each nonce moves the offsets once, with operators that are killed while they are at it: real API server, real broker."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.cluster.broker import HostBroker
from tests.cluster.control_plane import ControlPlane
from tests.integration.controller.operator_process import running_operator
from tests.integration.controller.world import World
from tests.support.kubernetes import PODS, Api, Body
from tests.support.topics import Topics

END = 50
KILLS = 4
"""For each replay, at most; then an operator is left alone."""


class Pods:
    """Does what the trigger's pods would: joins the group while there is one, and runs all there is."""

    def __init__(self, world: World, broker: HostBroker, topic: str) -> None:
        self._world, self._topics, self._topic = world, Topics(broker.bootstrap), topic
        self._group = f"test.{world.namespace}.rul"
        self._settings = {
            "bootstrap.servers": broker.bootstrap,
            "group.id": self._group,
            "group.protocol": "consumer",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
        self._member: Consumer | None = None
        self._end = threading.Event()
        self.starts: list[int] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(0.05):
            there = bool(self._world.api.items(self._world.path(PODS)))
            if there and self._member is None:
                self._member = self._joined()
            elif not there and self._member is not None:
                self._member.close()
                self._member = None
            elif self._member is not None:
                self._member.poll(0)
        if self._member is not None:
            self._member.close()

    def _joined(self) -> Consumer:
        member = Consumer(self._settings)
        member.subscribe([self._topic])
        while not member.assignment():
            member.poll(0.1)
        self.starts.append(self.committed)
        member.commit(offsets=[TopicPartition(self._topic, 0, END)], asynchronous=False)
        return member

    @property
    def committed(self) -> int:
        return self._topics.committed(self._group, self._topic).get(0, 0)

    def close(self) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture
def topic(broker: HostBroker) -> str:
    topics = Topics(broker.bootstrap)
    name = topics.create(1)
    topics.produce(name, [(b"k", b"{}")] * END)
    return name


@pytest.fixture
def world(api: Api, namespace: str, broker: HostBroker) -> World:
    here = World(api, namespace)
    here.servers = [broker.bootstrap]
    return here


@pytest.fixture
def pods(world: World, broker: HostBroker, topic: str) -> Iterator[Pods]:
    here = Pods(world, broker, topic)
    yield here
    here.close()


def phase(world: World, nonce: str) -> str:
    status: Body = world.trigger().get("status", {}).get("replay", {})
    return status.get("phase", "") if status.get("nonce") == nonce else ""


def test_each_nonce_once(control_plane: ControlPlane, world: World, topic: str, pods: Pods, tmp_path: Path) -> None:
    dice, lives = random.Random(7), 0

    def operate(nonce: str, seconds: float) -> bool:
        """One life; whether the replay is done at its end."""
        nonlocal lives
        lives += 1
        folder = tmp_path / str(lives)
        folder.mkdir()
        with running_operator(control_plane.kubeconfig, folder) as operator:
            end = time.monotonic() + seconds
            while time.monotonic() < end and not (phase(world, nonce) == "Done" and pods.committed == END):
                time.sleep(0.05)
            operator.process.kill()
        return phase(world, nonce) == "Done"

    for number in range(3):
        nonce = f"n{number}"
        replay = {"nonce": nonce, "partitions": {topic: {"0": 10 * (number + 1)}}}
        world.apply(source={"topics": [topic]}, replay=replay)
        for _ in range(KILLS):
            if operate(nonce, dice.uniform(0, 3)):
                break
        assert phase(world, nonce) == "Done" or operate(nonce, 60), world.trigger()["status"]
    assert pods.starts == [10, 20, 30]
    assert pods.committed == END
