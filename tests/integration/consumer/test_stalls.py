"""Messages that stand still: the pod says so, and what can be mended without anybody is."""

import os
import signal
from pathlib import Path

from kafkatrigger.api.pod_status import STALLED
from kafkatrigger.consumer import engine
from kafkatrigger.consumer.stall import STALL_SECONDS
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import numbered, numbers, spec, wait_committed
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.traffic import Traffic

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
