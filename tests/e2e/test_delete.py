"""Deleting a trigger removes all that was made for it, and nothing else."""

from tests.e2e.conftest import Private
from tests.support.triggers import Namespace, Trigger
from tests.support.waiting import until

CONFIG = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "rul-notes",
        "labels": {"app.kubernetes.io/instance": "rul", "app.kubernetes.io/component": "consumer"},
    },
    "data": {"of": "somebody else"},
}
NOWHERE = {"bootstrapServers": ["10.96.255.254:9092"]}


def test_nothing_is_left_and_nothing_else_is_gone(namespace: Namespace) -> None:
    namespace.apply(CONFIG)
    other = namespace.trigger(name="other").wait_ready()
    _wait_checkpoint(other)
    before = namespace.objects()
    trigger = namespace.trigger().wait_ready()
    _wait_checkpoint(trigger)
    assert namespace.objects() > before
    trigger.delete()
    _wait_left(namespace, before)
    other.produce(range(10))
    assert len(other.answered(10)) == 10


def test_with_brokers_that_do_not_answer(namespace: Namespace) -> None:
    before = namespace.objects()
    trigger = namespace.trigger(kafka=NOWHERE)
    trigger.wait("Ready", "False", "BrokersUnreachable")
    until(lambda: any(pod["status"]["phase"] == "Running" for pod in trigger.pods()), what="a running pod")
    trigger.delete()
    _wait_left(namespace, before)


def test_without_an_operator(private: Private) -> None:
    """Also: an operator that has rights in its trigger's namespace alone."""
    namespace = private.namespace
    before = namespace.objects()
    trigger = namespace.trigger().wait_ready()
    trigger.produce(range(10))
    trigger.answered(10)
    private.release.stop()
    trigger.produce(range(10, 20))
    trigger.answered(20)
    trigger.delete()
    _wait_left(namespace, before)
    private.release.start()
    assert private.release.restarts() == 0
    assert namespace.objects() == before


def _wait_checkpoint(trigger: Trigger) -> None:
    name = f"configmap/{trigger.name}-consumer-checkpoint-0"
    until(lambda: name in trigger.namespace.objects(), 120, "the first checkpoint")


def _wait_left(namespace: Namespace, expected: set[str]) -> None:
    try:
        until(lambda: namespace.objects() == expected, 60)
    except AssertionError:
        found = namespace.objects()
        raise AssertionError(f"too many: {found - expected}; missing: {expected - found}") from None
