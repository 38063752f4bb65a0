"""Messages that stand still: the pod says so, and what can be mended without anybody is."""

import os
import signal
from pathlib import Path

from kafkatrigger.api.pod_status import PARTITION_STOPPED, STALLED
from kafkatrigger.consumer import engine, lanes
from kafkatrigger.consumer.stall import STALL_SECONDS
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, numbered, numbers, spec, wait_committed
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.traffic import Traffic
from tests.support.waiting import until

QUICK = {"timeout": "1s", "retry": {"attempts": 1}}
PATIENCE = 10.0


def _signal(processes: list[int], number: int) -> None:
    for process in processes:
        os.kill(process, number)


def _workers(pod: Pod) -> list[int]:
    """The processes that the runtime has started."""
    runtime = pod.runtime.pid
    return [int(child) for child in Path(f"/proc/{runtime}/task/{runtime}/children").read_text().split()]


def test_a_runtime_that_hangs_is_a_stall_although_messages_are_read(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(2)
    with Pod(spec(broker, source, "functions:stamp", delivery=QUICK)) as pod:
        with Traffic(broker.bootstrap, source, rate=20) as traffic:
            pod.wait_ready()
            topics.read(f"{source}.out", 20)
            frozen = [pod.runtime.pid, *_workers(pod)]
            _signal(frozen, signal.SIGSTOP)
            said = pod.wait(lambda now: now.reason == STALLED, STALL_SECONDS + 1 + PATIENCE, STALLED)
            assert not said.ready
            _signal(frozen, signal.SIGCONT)
        wait_committed(topics, pod, source)
        pod.wait_ready()
        pod.stop()
    assert set(numbers(topics.read_all(f"{source}.out"))) == set(range(traffic.sent))


def test_a_worker_that_hangs_between_two_messages_is_ended(broker: HostBroker, topics: Topics) -> None:
    """The runtime cannot see it: nothing that it runs takes too long."""
    source = topics.create(1)
    with Pod(spec(broker, source, delivery=QUICK, runtime={"workers": 1})) as pod:
        topics.produce(source, numbered(10))
        wait_committed(topics, pod, source)
        _signal(_workers(pod), signal.SIGSTOP)
        topics.produce(source, numbered(20, start=10))
        wait_committed(topics, pod, source, 1 + engine.SILENCE + PATIENCE)
        assert pod.status_now().worker_restarts == {"Ended": 1}
        pod.stop()
    answers = topics.read_all(f"{source}.out")
    assert sorted(numbers(answers)) == list(range(30))


def test_a_partition_that_has_no_room_for_blocked_keys_stands_still_and_says_so(
    broker: HostBroker, topics: Topics
) -> None:
    source = topics.create(1)
    count = lanes.MOST_PARKED + 80
    delivery = {**QUICK, "onFailure": "Block", "breaker": {"enabled": False}}
    with Pod(spec(broker, source, delivery=delivery)) as pod:
        pod.wait_ready()
        topics.produce(source, [(b"k%d" % n, action("raise", n=n)) for n in range(count)])
        said = pod.wait(lambda now: now.reason == PARTITION_STOPPED, 30, PARTITION_STOPPED)
        assert not said.ready
        assert f"{source}-0" in said.message
        assert "kafkatrigger blocked" in said.message
        topics.produce(source, numbered(10, start=count))
        assert pod.resolve("skip", *pod.blocked()) > lanes.MOST_PARKED
        pod.wait_ready()
        until(
            lambda: pod.resolve("skip", *pod.blocked()) == 0 and not pod.status_now().partitions[0].lag, 60, "the end"
        )
        pod.stop()
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == list(range(count, count + 10))
