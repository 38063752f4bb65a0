"""`kubectl scale`."""

from tests.support.triggers import Namespace
from tests.support.waiting import until


def test_pods_come_and_go_under_load_and_nothing_is_lost(namespace: Namespace) -> None:
    trigger = namespace.trigger(partitions=4).wait_ready()
    with trigger.traffic() as traffic:
        traffic.wait_more()
        trigger.scale(2)
        trigger.wait_ready()
        trigger.wait_shared(partitions=4, pods=2)
        traffic.wait_more()
        trigger.scale(1)
        until(lambda: len(trigger.all_pods()) == 1, what="one pod")
        trigger.wait_shared(partitions=4, pods=1)
        traffic.wait_more()
    trigger.answered(traffic.sent)
    trigger.wait_committed(traffic.sent)
    assert trigger.restarts() == 0


def test_none_is_a_number_too(namespace: Namespace) -> None:
    trigger = namespace.trigger().wait_ready()
    trigger.scale(0)
    trigger.wait("Deployed", "True", "ScaledToZero")
    trigger.wait("Ready", "True", "ScaledToZero")
    assert not trigger.all_pods()
    trigger.produce(range(20))
    trigger.wait("Ready", "False", "ScaledToZero", "scaling.replicas")
    trigger.scale(1)
    trigger.wait_ready()
    assert len(trigger.answered(20)) == 20
