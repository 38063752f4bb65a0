"""The chart under live triggers. Uninstalling is tested in `tests/recovery`, with the release that serves all namespaces."""

from tests.cluster.kubectl import Kubectl
from tests.e2e.conftest import Private
from tests.support.release import IMAGE, NEXT_IMAGE
from tests.support.triggers import Namespace
from tests.support.waiting import until


def test_an_upgrade_changes_image_and_defaults_under_load(private: Private) -> None:
    private.install(runtime=IMAGE)
    trigger = private.namespace.trigger(runtime={"workers": 1}).wait_ready()
    (operator,) = private.release.pods()
    with trigger.traffic() as traffic:
        traffic.wait_more()
        before = trigger.pod_names()
        greeting = {"name": "GREETING", "value": "from the chart"}
        private.install(runtime=NEXT_IMAGE, defaults={"runtime": {"env": [greeting]}})
        until(lambda: not before & {pod["metadata"]["name"] for pod in trigger.all_pods()}, what="new pods alone")
        trigger.wait_ready()
        traffic.wait_more()
    found = trigger.answered(traffic.sent)
    (newer,) = private.release.pods()
    assert newer["metadata"]["uid"] != operator["metadata"]["uid"]
    newest = max(found, key=lambda answer: answer.number).value
    assert (newest["edition"], newest["greeting"]) == ("second", "from the chart")


def test_an_upgrade_that_concerns_no_pod_replaces_none(private: Private) -> None:
    trigger = private.namespace.trigger().wait_ready()
    (operator,) = private.release.pods()
    pods, before = trigger.pod_names(), trigger.deployment()
    private.install()
    (same,) = private.release.pods()
    assert same["metadata"]["uid"] == operator["metadata"]["uid"]
    private.install(operator={"reconcilers": 2, "podAnnotations": {"example.com/is": "another"}})
    (newer,) = private.release.pods()
    assert newer["metadata"]["uid"] != operator["metadata"]["uid"]
    trigger.patch(scaling={"replicas": 2})
    until(lambda: len(trigger.pod_names()) == 2, what="the new operator at work")
    assert trigger.deployment()["spec"]["template"] == before["spec"]["template"]
    assert pods < trigger.pod_names()


def test_an_operator_with_roles_alone(private: Private) -> None:
    trigger = private.namespace.trigger().wait_ready()
    trigger.produce(range(10))
    trigger.answered(10)
    account = f"--as=system:serviceaccount:{private.release.namespace}:own-kafkatrigger"
    ask = ("auth", "can-i", "list", "kafkatriggers", account)
    assert Kubectl().succeeds(*ask, f"--namespace={private.namespace.name}")
    assert not Kubectl().succeeds(*ask, "--namespace=default")
    assert not Kubectl().succeeds(*ask, "--all-namespaces")
    assert private.release.restarts() == 0


def test_a_namespace_that_goes_takes_nobody_along(private: Private) -> None:
    namespace = private.namespace
    other = Namespace.create(f"{namespace.name}-2", namespace.bootstrap, private.release)
    both = [namespace.name, other.name]
    private.install(watchNamespaces=both)
    other.delete()
    Kubectl()("wait", "--for=delete", f"namespace/{other.name}", "--timeout=60s")
    private.release.stop()
    private.release.start()
    namespace.trigger().wait_ready()
    other = Namespace.create(other.name, namespace.bootstrap, private.release)
    private.install(watchNamespaces=both)
    try:
        other.trigger().wait_ready()
    finally:
        other.delete()
