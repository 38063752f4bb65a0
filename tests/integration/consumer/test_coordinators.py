"""Three brokers, of which one goes: where another one takes over no message notices, else the pod says what is missing."""

import uuid
from collections.abc import Iterator

import pytest

from kafkatrigger.api.pod_status import PARTITION_UNAVAILABLE
from tests.cluster.broker import HostCluster
from tests.integration.consumer.triggers import assert_in_order, numbered, numbers, spec, wait_committed
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.traffic import Traffic
from tests.support.waiting import until


@pytest.fixture(scope="module")
def cluster() -> Iterator[HostCluster]:
    """Three brokers; a test leaves all of them running."""
    with HostCluster() as running:
        yield running


@pytest.mark.parametrize(("guarantee", "protocol"), [("AtLeastOnce", "Classic"), ("ExactlyOnce", "Consumer")])
def test_a_coordinator_that_moves_costs_nothing(cluster: HostCluster, guarantee: str, protocol: str) -> None:
    topics = Topics(cluster.bootstrap)
    source = topics.create(4)
    trigger = spec(
        *(cluster.brokers[0], source, "functions:stamp"),
        kafka={"bootstrapServers": cluster.servers},
        source={"groupProtocol": protocol},
        delivery={"guarantee": guarantee},
    )
    with Pod(trigger) as pod:
        with Traffic(cluster.bootstrap, source) as traffic:
            pod.wait_ready()
            topics.read(f"{source}.out", 100)
            first = until(lambda: topics.coordinator(pod.config.group_id), 30, "a coordinator")
            cluster.broker(first).kill()
            until(lambda: topics.coordinator(pod.config.group_id) not in (None, first), 60, "another coordinator")
            traffic.wait_more()
            sent = traffic.sent
            until(
                lambda: sum(topics.committed(pod.config.group_id, source).values()) > sent, 120, "progress without it"
            )
            cluster.broker(first).start()
            traffic.wait_more()
        wait_committed(topics, pod, source)
        pod.wait_ready()
        pod.stop()
    answers = topics.read_all(f"{source}.out")
    assert set(numbers(answers)) == set(range(traffic.sent))
    assert_in_order(answers)
    if guarantee == "ExactlyOnce":
        assert len(answers) == traffic.sent


def test_a_partition_that_nobody_leads_is_told(cluster: HostCluster) -> None:
    topics = Topics(cluster.bootstrap)
    source = f"alone-{uuid.uuid4().hex[:8]}"
    topics.create_unreplicated(source)
    with Pod(spec(cluster.brokers[0], source, kafka={"bootstrapServers": cluster.servers})) as pod:
        topics.produce(source, numbered(10))
        wait_committed(topics, pod, source)
        broker = cluster.broker(topics.leader(source, 0))
        broker.kill()
        said = pod.wait(lambda now: now.reason == PARTITION_UNAVAILABLE, 30, PARTITION_UNAVAILABLE)
        assert not said.ready
        assert f"{source}-0" in said.message
        broker.start()
        pod.wait_ready()
        topics.produce(source, numbered(20, start=10))
        wait_committed(topics, pod, source)
        pod.stop()
    assert sorted(numbers(topics.read_all(f"{source}.out"))) == list(range(30))
