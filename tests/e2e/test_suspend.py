"""Suspending and resuming."""

from tests.support.triggers import Namespace


def test_consuming_goes_on_exactly_where_it_stopped(namespace: Namespace) -> None:
    trigger = namespace.trigger().wait_ready()
    trigger.produce(range(200))
    trigger.answered(200)
    trigger.patch(suspend=True)
    trigger.wait("Suspended", "True", "Suspended")
    trigger.wait("Ready", "False", "Suspended", "spec.suspend")
    trigger.wait("Deployed", "True", "Suspended")
    assert not trigger.all_pods()
    trigger.produce(range(200, 300))
    assert trigger.committed() == 200
    trigger.patch(suspend=False)
    trigger.wait_ready()
    assert "Suspended" not in trigger.conditions()
    found = trigger.answered(300)
    assert len(found) == 300
    trigger.wait_committed(300)
