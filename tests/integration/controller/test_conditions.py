"""What a trigger's status says, with pods whose state is set as a kubelet would."""

import datetime
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from kafkatrigger.api.pod_status import JOINING_GROUP, TRANSFORMATION_NOT_LOADED, PodStatus
from tests.cluster.broker import HostBroker
from tests.integration.controller.world import World
from tests.support.kubernetes import DEPLOYMENTS, TRIGGERS, RefusedError
from tests.support.topics import Topics
from tests.support.waiting import until

POD_ADDRESS = "127.77.31.4"
"""A loopback address of its own, so that the port of /status is free."""


@contextmanager
def pod_that_says(status: PodStatus) -> Iterator[list[str]]:
    """A pod's /status; yields the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(msgspec.json.encode(status))

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer((POD_ADDRESS, 8080), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_from_missing_topic_to_ready_and_back(connected_world: World, broker: HostBroker) -> None:
    world, topics = connected_world, Topics(broker.bootstrap)
    topic = topics.create(prefix="present")
    missing = f"{topic}-later"
    world.apply(source={"topics": [topic, missing]})
    condition = world.wait_condition("Connected", "False", "TopicNotFound")
    assert missing in condition["message"]
    assert world.wait_condition("Ready", "False", "TopicNotFound")["message"] == condition["message"]
    (pod,) = world.pods(1)
    world.set_pod(pod, ready=True)
    world.wait_condition("Consuming", "True", "Consuming")
    world.wait_condition("Deployed", "True", "Deployed")
    topics.create_named(missing)
    world.wait_condition("Ready", "True", "Consuming")
    world.wait_event("Warning", "TopicNotFound")
    world.wait_event("Normal", "Ready")
    world.set_pod(pod, ready=False)
    world.wait_condition("Ready", "False", "PodsNotReady")
    world.wait_event("Warning", "NotReady")
    world.set_pod(pod, ready=True)
    world.wait_condition("Ready", "True", "Consuming")


def test_unreachable_brokers_are_named(world: World) -> None:
    world.apply(kafka={"bootstrapServers": ["127.0.0.1:1"]})
    condition = world.wait_condition("Connected", "False", "BrokersUnreachable")
    assert "127.0.0.1:1" in condition["message"]
    assert "spec.kafka.bootstrapServers" in condition["message"]
    world.wait_event("Warning", "BrokersUnreachable")


def test_a_pods_own_reason_is_shown(world: World) -> None:
    status = PodStatus("n/rul", False, TRANSFORMATION_NOT_LOADED, "no module named nonsense", "group")
    world.apply()
    (pod,) = world.pods(1)
    with pod_that_says(status) as asked:
        world.set_pod(pod, ready=False, ip=POD_ADDRESS)
        condition = world.wait_condition("Consuming", "False", TRANSFORMATION_NOT_LOADED)
        assert "no module named nonsense" in condition["message"]
        status.reason, status.message = JOINING_GROUP, "joining"
        world.wait_condition("Consuming", "False", JOINING_GROUP)
    assert set(asked) == {"/status"}


def test_images_that_cannot_be_pulled_are_named(world: World) -> None:
    world.apply()
    (pod,) = world.pods(1)
    world.set_waiting(pod, "runtime", "ImagePullBackOff", "back-off pulling image")
    message = world.wait_condition("Deployed", "False", "ImagePullFailed")["message"]
    assert "example.com/runtime:1" in message
    assert "back-off pulling image" in message


def test_a_quota_is_named(world: World) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    world.api.call("POST", f"/api/v1/namespaces/{world.namespace}/resourcequotas", quota)
    until(
        lambda: world.api.items(f"/api/v1/namespaces/{world.namespace}/resourcequotas")[0].get("status", {}).get("hard")
    )
    world.apply()
    assert "exceeded quota: none" in world.wait_condition("Deployed", "False", "QuotaExceeded")["message"]


def test_suspend_and_resume(world: World) -> None:
    world.apply()
    world.pods(1)
    world.apply(suspend=True)
    world.wait_condition("Suspended", "True", "Suspended")
    world.wait_condition("Ready", "False", "Suspended")
    world.wait_condition("Deployed", "True", "Suspended")
    assert world.replicas() == 0
    world.wait_event("Normal", "Suspended")
    world.apply(suspend=False)
    world.wait_gone("Suspended")
    world.pods(1)
    world.wait_event("Normal", "Resumed")


def test_scale(world: World) -> None:
    world.apply()
    world.api.merge(
        f"{world.path(TRIGGERS, 'rul')}/scale",
        {"spec": {"replicas": 2}},
    )
    world.pods(2)
    until(lambda: world.trigger()["status"]["replicas"] == 2, 10, "the replicas in the status")
    world.apply(scaling={"replicas": 0})
    world.wait_condition("Deployed", "True", "ScaledToZero")
    world.wait_condition("Consuming", "False", "ScaledToZero")


def test_a_group_belongs_to_the_older_trigger(world: World) -> None:
    source = {"topics": ["machine-data"], "groupId": "shared"}
    world.apply("older", source=source)
    world.pods(1, "older")
    world.apply("other-brokers", source=source, kafka={"bootstrapServers": ["127.0.0.1:2"]})
    until(lambda: world.trigger("older")["metadata"]["creationTimestamp"] != _now(), 5)
    world.apply("younger", source=source)
    message = world.wait_condition("Accepted", "False", "GroupInUse", "younger")["message"]
    assert f"{world.namespace}/older" in message
    assert "shared" in message
    assert world.replicas("younger") == 0
    world.wait_event("Warning", "GroupInUse", "younger")
    world.wait_condition("Accepted", "True", "Accepted", "other-brokers")
    world.delete("older")
    world.wait_condition("Accepted", "True", "Accepted", "younger")
    world.pods(1, "younger")


def test_invalid_with_the_charts_defaults(world: World) -> None:
    """The chart's default of one minute for delivery.timeout needs a longer grace period than the trigger's own."""
    world.apply()
    world.pods(1)
    before = world.child(DEPLOYMENTS)["metadata"]["generation"]
    world.apply(podTemplate={"terminationGracePeriodSeconds": 45}, runtime={"workers": 5})
    message = world.wait_condition("Accepted", "False", "InvalidSpec")["message"]
    assert "terminationGracePeriodSeconds is too short" in message
    assert world.child(DEPLOYMENTS)["metadata"]["generation"] == before
    world.wait_event("Warning", "InvalidSpec")
    world.apply(podTemplate={"terminationGracePeriodSeconds": 75})
    world.wait_condition("Accepted", "True", "Accepted")


def test_a_trigger_that_predates_the_schema_hurts_nobody(world: World) -> None:
    """The definition is loosened, as an older one might have been, for one trigger that makes no sense today."""
    definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/kafkatriggers.kafkatrigger.dev"
    original = world.api.call("GET", definition)
    loose = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [{**original["spec"]["versions"][0], "schema": {"openAPIV3Schema": loose}}]
    try:
        world.api.merge(definition, {"spec": {"versions": versions}})
        until(lambda: _accepts_nonsense(world), 15, "the loosened definition")
    finally:
        world.api.merge(definition, {"spec": {"versions": original["spec"]["versions"]}})
    world.apply()
    world.pods(1)
    # The status of such an object cannot be written under today's schema; the others go on regardless.
    world.delete("nonsense")


def _accepts_nonsense(world: World) -> bool:
    try:
        path = world.path(TRIGGERS, "nonsense")
        body = {"apiVersion": "kafkatrigger.dev/v1alpha1", "kind": "KafkaTrigger", "metadata": {"name": "nonsense"}}
        world.api.apply(path, {**body, "spec": {"source": ["x"], "kafka": 5}})
    except RefusedError:
        return False
    return True


def _now() -> str:
    """Creation times have no fractions: the younger one is made in another second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
