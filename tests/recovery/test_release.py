"""The default release: all namespaces, ClusterRoles, the definition."""

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.provider import Provider
from tests.support.release import Release, values
from tests.support.triggers import Namespace
from tests.support.waiting import until

DEFINITION = "customresourcedefinition/kafkatriggers.kafkatrigger.dev"


def test_uninstalled_and_installed_again_under_load(namespace: Namespace, release: Release, cluster: Provider) -> None:
    trigger = namespace.trigger().wait_ready()
    before = trigger.deployment()
    with trigger.traffic() as traffic:
        traffic.wait_more()
        pods = trigger.pod_names()
        release.uninstall()
        until(lambda: not release.pods(), what="the end of the operator")
        assert Kubectl().succeeds("get", DEFINITION)
        assert trigger.body()["metadata"]["uid"]
        sent = traffic.sent
        traffic.wait_more()
        trigger.answered_up_to(sent)
        assert trigger.pod_names() == pods
        release.install(values(cluster))
        traffic.wait_more()
        trigger.scale(2)
        until(lambda: len(trigger.pod_names()) == 2, what="the operator at work again")
        trigger.wait_ready()
    assert trigger.deployment()["spec"]["template"] == before["spec"]["template"]
    assert pods < trigger.pod_names()
    trigger.answered(traffic.sent)


@pytest.mark.usefixtures("release")
def test_people_with_the_roles_of_kubernetes_can_use_triggers(namespace: Namespace) -> None:
    def can(role: str, verb: str) -> bool:
        user = f"--as=system:serviceaccount:{namespace.name}:{role}"
        return Kubectl().succeeds("auth", "can-i", verb, "kafkatriggers", user, f"--namespace={namespace.name}")

    for role in ("view", "edit"):
        namespace.kubectl("create", "serviceaccount", role)
        namespace.kubectl(
            "create", "rolebinding", role, f"--clusterrole={role}", f"--serviceaccount={namespace.name}:{role}"
        )
    until(lambda: can("edit", "create"), 20, "the aggregated roles")
    assert can("view", "get")
    assert not can("view", "create")
