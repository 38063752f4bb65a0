"""`make demo`: the example on a real cluster with a real Kafka, from nothing but this repository."""

import subprocess
import sys
import time
from pathlib import Path

from examples.rul import demo_local, produce
from examples.rul.showing import HERE, Failure, say, summary_line, told, watched
from tests.cluster import commands, kafka_in_cluster, provider
from tests.cluster.errors import ClusterError, UnsupportedMachineError
from tests.cluster.images import of_user
from tests.cluster.kubectl import Kubectl
from tests.cluster.provider import Provider
from tests.cluster.settings import IMAGE_PREFIX, KUBECONFIG, REPOSITORY, image_of
from tests.cluster.tools import tools

NAMESPACE = "demo"
RELEASE = "kafkatrigger"
SYSTEM = "kafkatrigger-system"
TRIGGER = "kafkatrigger/rul"
IMAGE = f"{IMAGE_PREFIX}/example-rul:dev"
READY_SECONDS = 120


def main() -> int:
    """Runs the demo; 0 when every message was answered."""
    started = time.monotonic()
    try:
        found = provider.choose()
    except UnsupportedMachineError as error:
        print(f"{error.describe()}\n\nRunning `make demo-local` instead: the same example without a cluster.")
        return demo_local.main()
    try:
        _prepare(found)
        summary = _show(kafka_in_cluster.bootstrap(found.host_address))
    except (ClusterError, Failure) as error:
        print(error.describe() if isinstance(error, ClusterError) else error, file=sys.stderr)
        return 1
    print("\nThe cluster stays up: `make cluster-down` ends it. To look around:")
    print(f"  export KUBECONFIG={KUBECONFIG}")
    print(f"{summary}; the demo took {time.monotonic() - started:.0f} s")
    return 0


def _prepare(found: Provider) -> None:
    """Everything that the demo needs and that is not what it shows."""
    commands.everything(found)
    commands.images(found, [of_user(HERE / "Dockerfile", IMAGE, {"RUNTIME": image_of("runtime-analytics")})])
    kubectl = Kubectl()
    # What an earlier demo left would answer before this one has begun.
    if kubectl.succeeds("get", "namespace", NAMESPACE):
        kubectl("delete", TRIGGER, "--namespace", NAMESPACE, "--ignore-not-found")
        kubectl("wait", "--for=delete", "pod", "--all", "--namespace", NAMESPACE, "--timeout=90s")
    else:
        kubectl("create", "namespace", NAMESPACE)
    print(produce.create_topic(kafka_in_cluster.bootstrap(found.host_address), "machine-data", 4))


def _show(brokers: str) -> str:
    """What the demo is for; returns its summary."""
    _helm_install()
    applied = time.time()
    _kubectl("apply", "-f", str(HERE / "trigger.yaml"))
    _kubectl("wait", "--for=condition=Ready", TRIGGER, f"--timeout={READY_SECONDS}s")
    say(f"python examples/rul/produce.py --brokers {brokers}")
    told([sys.executable, str(HERE / "produce.py"), "--brokers", brokers])
    summary = watched(brokers, since=applied)
    _kubectl("get", TRIGGER)
    _kubectl("describe", TRIGGER)
    return summary_line(summary, applied, "apply")


def _helm_install() -> None:
    chart = str(REPOSITORY / "charts" / "kafkatrigger")
    images = [
        f"--set=images.{each}.{key}={value}"
        for each in ("operator", "consumer", "runtime")
        for key, value in _image(each)
    ]
    command = [
        "upgrade",
        "--install",
        RELEASE,
        chart,
        "--namespace",
        SYSTEM,
        "--create-namespace",
        "--wait",
        "--timeout=120s",
    ]
    say(f"helm {' '.join(command)}")
    result = subprocess.run(
        [str(tools().helm), f"--kubeconfig={KUBECONFIG}", *command, *images],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise Failure(f"helm failed: {result.stderr}")
    print(f"{RELEASE} is installed in {SYSTEM}")


def _image(name: str) -> list[tuple[str, str]]:
    repository, tag = image_of(name).rsplit(":", 1)
    return [("repository", repository), ("tag", tag)]


def _kubectl(*arguments: str) -> None:
    """Shows the command and what it prints."""
    shown = [*arguments, "--namespace", NAMESPACE]
    say(f"kubectl {' '.join(shown)}".replace(str(Path.cwd()) + "/", ""))
    told([str(each) for each in Kubectl().command(*shown)])


if __name__ == "__main__":
    sys.exit(main())
