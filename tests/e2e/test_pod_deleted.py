"""Pods that are deleted under load."""

import pytest

from tests.support.triggers import Namespace

GRACEFUL = ()
AT_ONCE = ("--grace-period=0", "--force")


@pytest.mark.parametrize("how", [GRACEFUL, AT_ONCE], ids=["with-grace", "at-once"])
def test_nothing_is_lost_and_keys_keep_their_order(namespace: Namespace, how: tuple[str, ...]) -> None:
    trigger = namespace.trigger(partitions=4, scaling={"replicas": 2}).wait_ready()
    with trigger.traffic() as traffic:
        trigger.wait_shared(partitions=4, pods=2)
        for _ in range(3):
            traffic.wait_more()
            victim = min(trigger.pod_names())
            trigger.kubectl("delete", "pod", victim, "--wait=false", *how)
            trigger.wait_ready()
        traffic.wait_more()
    found = trigger.answered(traffic.sent, seconds=150)
    trigger.wait_committed(traffic.sent)
    print(f"{len(found) - traffic.sent} of {traffic.sent} messages were answered twice")
