"""Apache Kafka as a StatefulSet of the cluster."""

from pathlib import Path
from string import Template

from .kubectl import Kubectl
from .settings import KAFKA_IMAGE, KAFKA_NAMESPACE, KAFKA_NODE_PORT
from .waiting import accepts_connections, wait_until

_MANIFEST = Path(__file__).with_name("kafka.yaml")
_ADVICE = f"look at `kubectl -n {KAFKA_NAMESPACE} describe pod kafka-0` and its logs"


def deploy(host_address: str) -> str | None:
    """Applies the manifest, returns when the broker can be reached from this machine; "running" when it was before."""
    kubectl = Kubectl()
    before = _generation(kubectl)
    kubectl.apply(Template(_MANIFEST.read_text()).substitute(image=KAFKA_IMAGE, host_listener=bootstrap(host_address)))
    if before == _generation(kubectl) and _is_ready(kubectl):
        return "running"
    wait_until(lambda: _is_ready(kubectl), what="Kafka in the cluster", seconds=120, advice=_ADVICE)
    wait_until(
        lambda: accepts_connections(host_address, KAFKA_NODE_PORT), what="Kafka's node port", seconds=30, advice=_ADVICE
    )
    return None


def bootstrap(host_address: str) -> str:
    """Kafka's address for programs of this machine."""
    return f"{host_address}:{KAFKA_NODE_PORT}"


def _generation(kubectl: Kubectl) -> str | None:
    arguments = ("get", "statefulset", "kafka", f"--namespace={KAFKA_NAMESPACE}", "--ignore-not-found")
    return kubectl(*arguments, "--output=jsonpath={.metadata.uid} {.metadata.generation}") or None


def _is_ready(kubectl: Kubectl) -> bool:
    status = kubectl.get("statefulset", "kafka", f"--namespace={KAFKA_NAMESPACE}").get("status", {})
    return bool(status.get("readyReplicas")) and status.get("currentRevision") == status.get("updateRevision")
