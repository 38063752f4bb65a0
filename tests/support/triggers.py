"""Triggers on the local cluster, as the people who use them see them: kubectl and topics."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import yaml
from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from tests.cluster.errors import ClusterError
from tests.cluster.kubectl import Kubectl
from tests.cluster.settings import KUBECONFIG
from tests.support.kubernetes import DEPLOYMENTS, PODS, TRIGGERS, Api, Body, RefusedError
from tests.support.release import IMAGE, Release
from tests.support.topics import Topics
from tests.support.traffic import Answer, Traffic, answers, check_order, key_of, read_until
from tests.support.waiting import until

PATIENCE = 90.0
BROKERS = "kafka.kafka.svc:9092"
"""As pods reach them."""
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"

_NO_PODS = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "nothing"},
    "spec": {"hard": {"pods": "0"}},
}


class Namespace:
    """A namespace of a team that uses the operator, and the team's topics, whose names begin with the namespace's."""

    def __init__(self, name: str, bootstrap: str, release: Release) -> None:
        self.name, self.bootstrap, self._release = name, bootstrap, release
        self.api, self.topics = Api(KUBECONFIG), Topics(bootstrap)

    @classmethod
    def create(cls, name: str, bootstrap: str, release: Release) -> "Namespace":
        """Makes the namespace, which `release` is to serve."""
        Kubectl()("create", "namespace", name)
        Kubectl()("label", "namespace", name, RESTRICTED)
        return cls(name, bootstrap, release)

    def kubectl(self, *arguments: str | Path) -> str:
        return Kubectl()(f"--namespace={self.name}", *arguments)

    def apply(self, manifest: Body) -> str:
        """kubectl apply; raises ClusterError with what it said when it is refused."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(manifest, file)
            file.flush()
            return self.kubectl("apply", f"--filename={file.name}")

    def topic(self, name: str = "source", partitions: int = 2) -> str:
        """A new topic of the team."""
        whole = f"{self.name}.{name}"
        self.topics.create_named(whole, partitions)
        return whole

    def trigger(
        self, function: str = "functions:stamp", name: str = "rul", partitions: int = 2, **spec: Any
    ) -> "Trigger":
        """A trigger for a source topic of its own, applied; keywords replace parts of its spec."""
        trigger = self.unapplied(function, name, **spec)
        self.topic(f"{name}.source", partitions)
        trigger.apply()
        return trigger

    def unapplied(self, function: str = "functions:stamp", name: str = "rul", **spec: Any) -> "Trigger":
        """A trigger that is not there yet, and neither is its source topic."""
        prefix = f"{self.name}.{name}"
        whole = {
            "kafka": {"bootstrapServers": [BROKERS]},
            "source": {"topics": [f"{prefix}.source"]},
            "transformation": {"function": function},
            "delivery": {"deadLetter": {"topic": f"{prefix}.dlq"}},
            "response": {"topic": f"{prefix}.responses"},
            "runtime": {"image": IMAGE, "workers": 1},
            **spec,
        }
        return Trigger(self, name, whole)

    def forbid_pods(self) -> None:
        """By a quota, which counts when this returns."""
        self.apply(_NO_PODS)
        until(lambda: "pods" in self.kubectl("get", "quota", "nothing", "--output=jsonpath={.status.hard}"), 20)

    def allow_pods(self) -> None:
        """The opposite."""
        self.kubectl("delete", "quota", "nothing")

    def refuses_pods(self) -> bool:
        """Whether the API server would refuse a pod that the namespace's standard allows."""
        security: Body = {"runAsNonRoot": True, "runAsUser": 1, "allowPrivilegeEscalation": False}
        security |= {"capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}
        container = {"name": "c", "image": IMAGE, "securityContext": security}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try"}, "spec": {"containers": [container]}}
        try:
            self.api.call("POST", f"{PODS.format(self.name)}?dryRun=All", pod)
        except RefusedError:
            return True
        return False

    def objects(self) -> set[str]:
        """Every object of the namespace but events, as `resource/name`."""
        kinds = Kubectl()("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
        wanted = ",".join(kind for kind in kinds if not kind.startswith("events"))
        return set(self.kubectl("get", wanted, "--output=name", "--ignore-not-found").split())

    def clear(self) -> None:
        """Begins to remove the triggers, and removes the team's topics."""
        self.kubectl("delete", "kafkatriggers", "--all", "--wait=false")
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        ours = [topic for topic in admin.list_topics(timeout=10).topics if topic.startswith(f"{self.name}.")]
        for deleted in admin.delete_topics(ours).values() if ours else ():
            deleted.result()

    def delete(self) -> None:
        """Begins to remove the namespace, too."""
        self.clear()
        Kubectl()("delete", "namespace", self.name, "--wait=false")

    def report(self) -> str:
        """What somebody looks at who wants to know what went wrong."""
        commands = (
            ("get", "kafkatriggers,deployments,pods", "--output=wide"),
            ("describe", "kafkatriggers"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            (
                "logs",
                "--selector=app.kubernetes.io/managed-by=kafkatrigger",
                "--all-containers",
                "--prefix",
                "--tail=60",
            ),
        )
        parts = [f"$ kubectl {' '.join(command)}\n{self._said(*command)}" for command in commands]
        return "\n".join([*parts, "the operator:", self._release.log(about=self.name)])

    def _said(self, *arguments: str) -> str:
        try:
            return self.kubectl(*arguments)
        except ClusterError as error:
            return error.describe()


class Trigger:
    """One KafkaTrigger."""

    def __init__(self, namespace: Namespace, name: str, spec: dict[str, Any]) -> None:
        self.namespace, self.name, self.spec = namespace, name, spec
        self.source: str = spec["source"]["topics"][0]
        self.responses = f"{namespace.name}.{name}.responses"
        self.dead_letters = f"{namespace.name}.{name}.dlq"
        self.group = f"{namespace.name}.{name}"
        self.resource = f"kafkatrigger/{name}"

    def manifest(self) -> Body:
        head = {"apiVersion": "kafkatrigger.dev/v1alpha1", "kind": "KafkaTrigger", "metadata": {"name": self.name}}
        return {**head, "spec": self.spec}

    def apply(self, **spec: Any) -> "Trigger":
        """kubectl apply; keywords replace parts of the spec for good."""
        self.spec = {**self.spec, **spec}
        self.namespace.apply(self.manifest())
        return self

    def patch(self, **spec: Any) -> None:
        """kubectl patch."""
        self.kubectl("patch", self.resource, "--type=merge", f"--patch={json.dumps({'spec': spec})}")

    def scale(self, replicas: int) -> None:
        self.kubectl("scale", self.resource, f"--replicas={replicas}")

    def delete(self) -> None:
        """Returns when the trigger itself is gone."""
        self.kubectl("delete", self.resource, "--timeout=30s")

    def kubectl(self, *arguments: str) -> str:
        return self.namespace.kubectl(*arguments)

    def body(self) -> Body:
        return self.namespace.api.call("GET", f"{TRIGGERS.format(self.namespace.name)}/{self.name}")

    def conditions(self) -> dict[str, Body]:
        """Those that speak of the newest spec."""
        body = self.body()
        found = body.get("status", {}).get("conditions", [])
        return {each["type"]: each for each in found if each["observedGeneration"] == body["metadata"]["generation"]}

    def wait(self, kind: str, status: str, reason: str, *words: str, seconds: float = PATIENCE) -> str:
        """The condition's message, once it has this status and reason, and its message these words."""

        def reached() -> str:
            condition = self.conditions().get(kind, {})
            same = (condition.get("status"), condition.get("reason")) == (status, reason)
            message: str = condition.get("message", "")
            return message if same and all(word in message for word in words) else ""

        try:
            return until(reached, seconds)
        except AssertionError:
            raise AssertionError(
                f"{kind} did not become {status} {reason} {words} in {seconds:.0f} s: {self.conditions()}"
            ) from None

    def wait_ready(self, seconds: float = PATIENCE) -> "Trigger":
        self.wait("Ready", "True", "Consuming", seconds=seconds)
        return self

    def deployment(self) -> Body:
        return self.namespace.api.call("GET", f"{DEPLOYMENTS.format(self.namespace.name)}/{self.name}-consumer")

    def pods(self) -> list[Body]:
        """Those that are not ending."""
        return [pod for pod in self.all_pods() if "deletionTimestamp" not in pod["metadata"]]

    def all_pods(self) -> list[Body]:
        selector = f"labelSelector=app.kubernetes.io/instance={self.name},app.kubernetes.io/component=consumer"
        return self.namespace.api.items(f"{PODS.format(self.namespace.name)}?{selector}")

    def pod_names(self) -> set[str]:
        return {pod["metadata"]["name"] for pod in self.pods()}

    def restarts(self) -> int:
        """How often containers of its pods ended."""
        kinds = ("initContainerStatuses", "containerStatuses")
        return sum(
            each["restartCount"] for pod in self.pods() for kind in kinds for each in pod["status"].get(kind, [])
        )

    def pod_status(self, pod: str) -> Body:
        """What a pod says of itself."""
        return self.namespace.api.call("GET", f"{PODS.format(self.namespace.name)}/{pod}:8080/proxy/status")

    def partitions_held(self) -> list[set[int]]:
        """The partitions of each pod."""
        return [{each["partition"] for each in self.pod_status(pod)["partitions"]} for pod in self.pod_names()]

    def wait_shared(self, partitions: int, pods: int) -> None:
        """Until so many pods hold all partitions, each some and none in common."""

        def shared() -> bool:
            held = self.partitions_held()
            all_held = set().union(*held) == set(range(partitions))
            return len(held) == pods and all(held) and all_held and sum(map(len, held)) == partitions

        until(shared, PATIENCE, f"{partitions} partitions on {pods} pods")

    def produce(self, numbers: range, keys: int = 20) -> None:
        """Numbered messages, acknowledged."""
        pairs = [(key_of(number, keys).encode(), orjson.dumps({"n": number})) for number in numbers]
        self.namespace.topics.produce(self.source, pairs)

    def traffic(self, rate: int = 100) -> Traffic:
        return Traffic(self.namespace.bootstrap, self.source, rate)

    def answered(self, count: int, seconds: float = PATIENCE) -> list[Answer]:
        """All answers, once each of the messages 0 to `count` has one; with the order of each key checked."""

        def complete(messages: list[Message]) -> bool:
            return len(messages) >= count and {each.number for each in answers(messages)} == set(range(count))

        found = answers(self._read(self.responses, complete, seconds))
        check_order(found)
        return found

    def answered_now(self) -> list[Answer]:
        """The answers there are."""
        return answers(self._read(self.responses, lambda _: True, PATIENCE))

    def answered_up_to(self, number: int) -> None:
        """Until all messages below a number have an answer, and perhaps others."""
        wanted = set(range(number))
        self._read(self.responses, lambda messages: wanted <= {each.number for each in answers(messages)}, PATIENCE)

    def letters(self, count: int, seconds: float = PATIENCE) -> list[Message]:
        """Dead letters, once there are so many."""
        return self._read(self.dead_letters, lambda messages: len(messages) >= count, seconds)

    def committed(self) -> int:
        """Sum of the committed offsets."""
        return sum(self.namespace.topics.committed(self.group, self.source).values())

    def wait_committed(self, count: int) -> None:
        until(lambda: self.committed() == count, PATIENCE, f"{count} committed messages of {self.source}")

    def _read(self, topic: str, complete: Callable[[list[Message]], bool], seconds: float) -> list[Message]:
        return read_until(self.namespace.bootstrap, topic, complete, seconds)
