"""Retries, attempts and the breaker."""

from functools import partial
from pathlib import Path

import pytest

from kafkatrigger.api import pod_status
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, by_key, numbered, numbers, spec, wait_committed
from tests.support import runs
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_attempts_survive_a_kill_of_the_consumer(
    broker: HostBroker, topics: Topics, tmp_path: Path, guarantee: str
) -> None:
    """Not so elsewhere: "retry state lost at a rebalance, one event retried 184 times"."""
    log = tmp_path / "log"
    source = topics.create(1)
    topics.produce(source, [(b"k%d" % n, action("raise", n=n, log=str(log))) for n in range(10)])
    retry = {"attempts": 6, "initialDelay": "700ms", "maxDelay": "700ms", "jitter": 0}
    quick = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"}
    trigger = spec(
        broker,
        source,
        source={"groupId": f"g.{source}", "groupProtocol": "Classic", "options": quick},
        delivery={"retry": retry, "guarantee": guarantee},
    )
    with Pod(trigger) as pod:
        for attempt in (2, 4):
            until(partial(_has_attempt, log, attempt), 60)
            pod.kill_consumer()
            pod.start_consumer()
        letters = topics.read(f"{source}.dlq", 10, seconds=90)
        wait_committed(topics, pod, source, 20)
        pod.stop()
    assert len(letters) == 10
    assert {dict(letter.headers())["kafkatrigger.attempts"] for letter in letters} == {b"6"}
    for number, attempts in runs.attempts(runs.read(log)).items():
        assert attempts == sorted(attempts), (number, attempts)
        assert set(attempts) == set(range(1, 7))
        # One that was in flight at a kill, or just behind it, is run again under its number.
        assert len(attempts) <= 6 + 2, (number, attempts)


def test_a_retry_parks_its_own_key_alone(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    late = [(b"late", action("fail-until", n=0, attempt=2)), *((b"late", action("echo", n=n)) for n in range(1, 20))]
    topics.produce(source, [*late, *numbered(500)])
    slow = {"retry": {"attempts": 3, "initialDelay": "3s", "maxDelay": "3s", "jitter": 0}}
    with Pod(spec(broker, source, delivery=slow)) as pod:
        topics.read(f"{source}.out", 500)
        wait_committed(topics, pod, source, 30)
        answers = topics.read_all(f"{source}.out")
        pod.stop()
    assert [answer.key() for answer in answers[-20:]] == [b"late"] * 20
    assert by_key(answers)[b"late"] == list(range(20))


def test_what_is_behind_a_retry_and_does_not_fit_into_memory_is_read_again(broker: HostBroker, topics: Topics) -> None:
    """ "Out of memory from unbounded maps" elsewhere; here the messages of one busy key wait in the log."""
    source = topics.create(1)
    padding = "x" * 100_000
    busy = [(b"busy", action("echo", n=n, pad=padding)) for n in range(1, 400)]
    topics.produce(source, [(b"busy", action("fail-until", n=0, attempt=3)), *busy, *numbered(100)])
    slow = {"retry": {"attempts": 5, "initialDelay": "2s", "maxDelay": "2s"}, "maxBufferedBytes": "4Mi"}
    with Pod(spec(broker, source, delivery=slow)) as pod:
        topics.read(f"{source}.out", 100)
        wait_committed(topics, pod, source, 60)
        answers = topics.read_all(f"{source}.out")
        memory = pod.memory
        pod.stop()
    assert by_key(answers)[b"busy"] == list(range(400))
    assert memory < 160 * 1024 * 1024, f"{memory / 2**20:.0f} MiB at most"


def test_a_breakdown_stops_dispatch_and_a_probe_finds_its_end(
    broker: HostBroker, topics: Topics, tmp_path: Path
) -> None:
    """A dead database does not pour a topic into the dead letters."""
    file = tmp_path / "down"
    source = topics.create(2)
    topics.produce(source, [(b"k%d" % (n % 200), action("fail-while", n=n, file=str(file))) for n in range(3000)])
    file.touch()
    quick = {"retry": {"attempts": 1, "initialDelay": "10ms"}, "maxInFlight": 200}
    with Pod(spec(broker, source, delivery=quick)) as pod:
        status = pod.wait_reason(pod_status.FAILURE_RATE_HIGH)
        assert not status.ready
        assert status.breaker_open
        file.unlink()
        wait_committed(topics, pod, source, 60)
        pod.wait_reason(pod_status.CONSUMING)
        pod.stop()
    letters, answers = topics.read_all(f"{source}.dlq"), topics.read_all(f"{source}.out")
    assert sorted([*numbers(letters), *numbers(answers)]) == list(range(3000))
    # The hundred that it takes to tell, what was in flight, and a few probes.
    assert 100 <= len(letters) < 350


def test_a_runtime_that_cannot_start_workers_counts_no_attempt(
    broker: HostBroker, topics: Topics, tmp_path: Path
) -> None:
    """A broken runtime is not a poison message."""
    (tmp_path / "fragile.py").write_text(
        "import os, pathlib\n"
        f"broken = pathlib.Path({str(tmp_path / 'broken')!r})\n"
        "class Fragile:\n"
        "    def __call__(self, message):\n"
        "        return {**message.value, 'attempt': message.attempt}\n"
        "    def __getattr__(self, name):\n"
        "        raise AttributeError(name)\n"
        "def handler(message):\n"
        "    return {**message.value, 'attempt': message.attempt}\n"
        "if broken.exists():\n"
        "    import threading\n"
        "    threading.Timer(0.2, os._exit, (7,)).start()\n"
    )
    (tmp_path / "broken").touch()
    source = topics.create(1)
    with Pod(spec(broker, source, "fragile:handler"), functions=tmp_path) as pod:
        status = pod.wait(lambda now: sum(now.worker_restarts.values()) >= 3, what="three deaths")
        assert not status.ready
        (tmp_path / "broken").unlink()
        topics.produce(source, [(b"k", action("echo", n=1))])
        (answer,) = topics.read(f"{source}.out", 1)
        assert b'"attempt":1' in answer.value()
        pod.wait_ready()
        pod.stop()
    assert topics.count(f"{source}.dlq") == 0


@pytest.mark.parametrize("policy", ["DeadLetter", "Skip"])
def test_a_filter_that_fails_is_a_failure_of_that_message(broker: HostBroker, topics: Topics, policy: str) -> None:
    source = topics.create(1)
    good = [(b"k%d" % (n % 5), action("echo", n=n, temperature=n)) for n in range(100)]
    bad = [(b"bad", action("echo", n=-1)), (b"bad", action("echo", n=-2, temperature="hot"))]
    topics.produce(source, [*good[:50], *bad, *good[50:]])
    filtering = {"filter": "value.temperature >= 80 && key != 'k3' && partition == 0 && offset >= 0"}
    with Pod(spec(broker, source, source=filtering, delivery={"onFailure": policy})) as pod:
        wait_committed(topics, pod, source, 60)
        lost = "dead_lettered" if policy == "DeadLetter" else "skipped"
        pod.wait_outcomes(succeeded=16, filtered=84, **{lost: 2})
        pod.stop()
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == [n for n in range(80, 100) if n % 5 != 3]
    letters = topics.read_all(f"{source}.dlq") if policy == "DeadLetter" else []
    assert {dict(letter.headers())["kafkatrigger.error.reason"] for letter in letters} <= {b"FilterFailed"}
    assert len(letters) == (2 if policy == "DeadLetter" else 0)


def _has_attempt(log: Path, number: int) -> bool:
    """Whether a message has come to this attempt."""
    return max(map(max, runs.attempts(runs.read(log)).values()), default=0) >= number
