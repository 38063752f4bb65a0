"""What a trigger's status says, with pods whose state is set as a kubelet would."""

import datetime
from functools import partial
from typing import Any

from kafkatrigger.api.checkpoint import Mark
from kafkatrigger.api.pod_status import (
    CONSUMING,
    FAILURE_RATE_HIGH,
    JOINING_GROUP,
    TRANSFORMATION_NOT_LOADED,
    PartitionStatus,
    PodStatus,
)
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import spec
from tests.integration.controller.speaking_pod import pod_that_says
from tests.integration.controller.world import NOWHERE, PATIENCE, World
from tests.support.kubernetes import CONFIG_MAPS, DEPLOYMENTS, TRIGGERS, RefusedError
from tests.support.pipeline import Pod as Consumer
from tests.support.topics import Topics
from tests.support.waiting import until


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


def test_pods_that_work_are_not_given_up_for_brokers_that_do_not_answer(
    connected_world: World, broker: HostBroker
) -> None:
    world, topics = connected_world, Topics(broker.bootstrap)
    topic = topics.create(prefix="kept")
    later = f"{topic}-later"
    world.apply(source={"topics": [topic]})
    (pod,) = world.pods(1)
    world.set_pod(pod, ready=True)
    world.wait_condition("Ready", "True", "Consuming")
    before = _desired(world)
    world.apply(source={"topics": [topic]}, kafka={"bootstrapServers": [NOWHERE]})
    _waits(world, "BrokersUnreachable")
    assert _desired(world) == before
    world.apply(source={"topics": [topic, later]})
    _waits(world, "TopicNotFound")
    assert _desired(world) == before
    topics.create_named(later)
    world.wait_condition("Connected", "True", "Connected")
    until(lambda: later in world.child(CONFIG_MAPS)["data"]["consumer.json"], PATIENCE, "the change")
    until(lambda: _desired(world)[1] != before[1], PATIENCE, "a rollout")


def _waits(world: World, reason: str) -> None:
    world.wait_condition("Connected", "False", reason)
    world.wait_condition("Ready", "False", reason)
    world.wait_condition("Deployed", "False", "BrokersAwaited")
    world.wait_condition("Consuming", "True", "Consuming")


def _desired(world: World) -> list[Any]:
    return [each.get("spec") or each.get("data") for each in world.children()]


def test_suspending_waits_for_no_broker(connected_world: World, broker: HostBroker) -> None:
    world = connected_world
    topic = Topics(broker.bootstrap).create(prefix="suspended")
    world.apply(source={"topics": [topic]})
    (pod,) = world.pods(1)
    world.set_pod(pod, ready=True)
    world.wait_condition("Ready", "True", "Consuming")
    world.apply(source={"topics": [topic]}, kafka={"bootstrapServers": [NOWHERE]})
    world.wait_condition("Deployed", "False", "BrokersAwaited")
    world.apply(source={"topics": [topic]}, kafka={"bootstrapServers": [NOWHERE]}, suspend=True)
    world.wait_replicas(0)


def test_how_many_topics_match_is_told(connected_world: World, broker: HostBroker) -> None:
    """That none does yet is no fault."""
    world, topics = connected_world, Topics(broker.bootstrap)
    prefix = topics.create(prefix="matched")
    words = ("no topic matches {} yet", "1 topic matches {}", "2 topics match {}")
    for letter, repeated, found in zip("abc", ("", "+", "*"), words, strict=True):
        pattern = f"{prefix}\\.[a-c]{repeated}"  # another one is asked for at once
        world.apply(source={"topicPattern": pattern})
        until(partial(_says, world, found.format(pattern)), PATIENCE, found)
        topics.create_named(f"{prefix}.{letter}")
    assert world.conditions()["Connected"]["status"] == "True"


def _says(world: World, words: str) -> bool:
    return words in world.conditions().get("Connected", {}).get("message", "")


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
    with pod_that_says(status) as speaking:
        world.set_pod(pod, ready=False, ip=speaking.address)
        condition = world.wait_condition("Consuming", "False", TRANSFORMATION_NOT_LOADED)
        assert "no module named nonsense" in condition["message"]
        status.reason, status.message = JOINING_GROUP, "joining"
        world.wait_condition("Consuming", "False", JOINING_GROUP)
    assert set(speaking.asked) == {"/status"}


def consuming(**changes: Any) -> PodStatus:
    """What a pod says that holds a partition."""
    held = [PartitionStatus("machine-data", 0, 5, 5, 0, "Committed")]
    fields = {"ready": True, "reason": CONSUMING, "message": "consuming", "partitions": held, **changes}
    return PodStatus(trigger="n/rul", group_id="group", **fields)


def test_blocked_keys_of_a_pod_that_is_ready(world: World) -> None:
    """Nothing flips when a key is blocked: ready pods are asked too."""
    world.apply()
    (pod,) = world.pods(1)
    status = consuming(blocked_keys=2, blocked_message="the oldest since Monday")
    with pod_that_says(status) as speaking:
        world.set_pod(pod, ready=True, ip=speaking.address)
        message = world.wait_condition("KeysBlocked", "True", "KeysBlocked")["message"]
        assert message.startswith("2 keys wait for a decision (the oldest since Monday)")
        assert world.trigger()["status"]["blockedKeys"] == {"count": 2}
        world.wait_condition("Consuming", "True", "Consuming")
        world.wait_event("Warning", "KeysBlocked")
        status.blocked_keys = 0
        # Asked at once, because its readiness flips, and not only after a minute.
        world.set_pod(pod, ready=False, ip=speaking.address)
        world.wait_gone("KeysBlocked")
        assert "blockedKeys" not in world.trigger()["status"]
        world.wait_event("Normal", "KeysReleased")


def test_what_happened_to_a_log_is_an_event(connected_world: World, broker: HostBroker) -> None:
    """What a consumer says of a real log, as the operator passes it on: the latest sentence of each pod, each once."""
    world, topics = connected_world, Topics(broker.bootstrap)
    topic = topics.create(1)
    topics.produce(topic, [(b"k", b"{}")] * 40)
    topics.delete_before(topic, 0, 25)
    with Consumer(spec(broker, topic), checkpoint={topic: {"0": Mark(5)}}) as consumer:
        said = consumer.wait(lambda now: now.log_change)
        consumer.stop()
    world.apply(source={"topics": [topic]})
    (pod,) = world.pods(1)
    with pod_that_says(said) as speaking:
        world.set_pod(pod, ready=True, ip=speaking.address)
        world.wait_event("Warning", "LogChanged")
        assert world.event_texts("LogChanged") == [said.log_change]
        assert "20 offsets are lost: continuing at 25" in said.log_change
        said.log_change = f"{topic}-0: the topic was deleted and made anew"
        world.set_pod(pod, ready=False, ip=speaking.address)  # so that it is asked at once
        until(lambda: len(world.event_texts("LogChanged")) == 2, PATIENCE, "the other event")


def test_other_troubles_of_pods(world: World) -> None:
    world.apply()
    (pod,) = world.pods(1)
    status = consuming(
        ready=False,
        reason=FAILURE_RATE_HIGH,
        message="51 of 100 messages failed",
        breaker_open=True,
        dead_letter_problem="the topic dlq refuses writes",
        retention_warning="offset 5 of partition 0 is removed in an hour",
    )
    with pod_that_says(status) as speaking:
        world.set_pod(pod, ready=False, ip=speaking.address)
        world.wait_condition("FailureRateHigh", "True", "FailureRateHigh")
        assert "51 of 100 messages failed" in world.wait_condition("Consuming", "False", "FailureRateHigh")["message"]
        assert "refuses" in world.wait_condition("DeadLetterUnavailable", "True", "DeadLetterUnavailable")["message"]
        assert "offset 5" in world.wait_condition("Warning", "True", "RetentionNear")["message"]
        world.wait_event("Warning", "RetentionNear")


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


def test_pods_that_are_not_ready_do_not_hold_up_those_that_replace_them(world: World) -> None:
    """What they hold (blocked keys, say) may be what the new ones are not ready for."""
    world.apply()
    (old,) = world.pods(1)
    world.set_pod(old, ready=True)
    world.wait_condition("Consuming", "True", "Consuming")
    world.apply(transformation={"function": "rul:other"})
    both = world.pods(2)
    assert _most_unavailable(world) == 0, "one that works is waited for"
    for pod in both:
        world.set_pod(pod, ready=False)
    until(lambda: _most_unavailable(world) == "100%", PATIENCE, "a rollout that does not wait")
    (new,) = world.pods(1)
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    until(lambda: _most_unavailable(world) == 0, PATIENCE, "the usual rollout")
    world.set_pod(new, ready=True)
    world.wait_condition("Consuming", "True", "Consuming")


def _most_unavailable(world: World) -> object:
    (deployment,) = world.api.items(world.path(DEPLOYMENTS))
    return deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"]
