"""Releases of the chart on the local cluster, with the images that were built for it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.errors import ClusterError
from tests.cluster.images import Image, of_target, of_user
from tests.cluster.kubectl import Kubectl
from tests.cluster.provider import Provider
from tests.cluster.settings import IMAGE_PREFIX, KUBECONFIG, REPOSITORY, image_of
from tests.support.chart import CHART, helm
from tests.support.kubernetes import Body
from tests.support.waiting import until

IMAGE = f"{IMAGE_PREFIX}/e2e:dev"
"""The runtime with `tests/support/functions.py`, `hostile.py` and a package."""
NEXT_IMAGE = f"{IMAGE_PREFIX}/e2e-next:dev"
"""Its next edition."""
EXAMPLE_IMAGE = f"{IMAGE_PREFIX}/example-rul:dev"

_DOCKERFILE = REPOSITORY / "tests" / "e2e" / "image" / "Dockerfile"
_EXAMPLE = REPOSITORY / "examples" / "rul" / "Dockerfile"


def images() -> list[Image]:
    """All that tests run, those first that others build upon."""
    folder = Path(__file__).parent
    inputs = (_DOCKERFILE, folder / "functions.py", folder / "hostile.py", *of_target("runtime").inputs)
    ours = [of_target(target) for target in ("operator", "consumer", "runtime", "runtime-analytics")]
    base = {"RUNTIME": image_of("runtime")}
    editions = [
        Image(name, _DOCKERFILE, folder, inputs, edition, base)
        for name, edition in ((IMAGE, "first"), (NEXT_IMAGE, "second"))
    ]
    return [*ours, *editions, of_user(_EXAMPLE, EXAMPLE_IMAGE, {"RUNTIME": image_of("runtime-analytics")})]


def values(provider: Provider, runtime: str = image_of("runtime"), **more: Any) -> dict[str, Any]:
    """Values of the chart: the local images, and an operator that is replaced when its image was built anew."""
    names = {"operator": image_of("operator"), "consumer": image_of("consumer"), "runtime": runtime}
    pairs = {name: image.rsplit(":", 1) for name, image in names.items()}
    digest = provider.builder.digest(image_of("operator")) or ""
    return {
        "images": {name: {"repository": repository, "tag": tag} for name, (repository, tag) in pairs.items()},
        "operator": {"podAnnotations": {"tests/image": digest}},
        **more,
    }


@dataclass(frozen=True)
class Release:
    """One installation of the operator."""

    name: str
    namespace: str

    def install(self, given: dict[str, Any]) -> None:
        """Installs or upgrades, and returns when the operator is ready."""
        arguments = (f"--namespace={self.namespace}", "--create-namespace", "--wait", "--timeout=120s", "--values=-")
        command = ("upgrade", "--install", self.name, CHART, f"--kubeconfig={KUBECONFIG}", *arguments)
        helm(*command, stdin=yaml.safe_dump(given))

    def uninstall(self) -> str:
        """What helm says about it."""
        return helm("uninstall", self.name, f"--kubeconfig={KUBECONFIG}", f"--namespace={self.namespace}", "--wait")

    def installed(self) -> bool:
        found = helm("list", f"--kubeconfig={KUBECONFIG}", f"--namespace={self.namespace}", "--output=json")
        return self.name in {each["name"] for each in json.loads(found)}

    def pods(self) -> list[Body]:
        """The operator's, without those that end."""
        selector = f"--selector=app.kubernetes.io/instance={self.name},app.kubernetes.io/component=operator"
        found: list[Body] = Kubectl().get("pods", f"--namespace={self.namespace}", selector)["items"]
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def restarts(self) -> int:
        """How often its containers ended."""
        return sum(each["restartCount"] for pod in self.pods() for each in pod["status"].get("containerStatuses", []))

    def stop(self) -> None:
        """No operator runs any more."""
        self._scale(0)
        until(lambda: not self._all_pods(), 60, "the end of the operator")

    def start(self) -> None:
        """It runs again."""
        self._scale(1)
        Kubectl()(
            "rollout", "status", f"deployment/{self._deployment()}", f"--namespace={self.namespace}", "--timeout=90s"
        )

    def log(self, about: str = "") -> str:
        """Its last lines, or those that speak of a namespace."""
        selector = f"--selector=app.kubernetes.io/instance={self.name}"
        try:
            lines = Kubectl()("logs", selector, f"--namespace={self.namespace}", "--tail=2000").splitlines()
        except ClusterError as error:
            return error.describe()
        return "\n".join([line for line in lines if about in line][-80:])

    def _scale(self, replicas: int) -> None:
        deployment = self._deployment()
        Kubectl()("scale", f"deployment/{deployment}", f"--replicas={replicas}", f"--namespace={self.namespace}")

    def _deployment(self) -> str:
        selector = f"--selector=app.kubernetes.io/instance={self.name},app.kubernetes.io/component=operator"
        (found,) = Kubectl().get("deployments", f"--namespace={self.namespace}", selector)["items"]
        name: str = found["metadata"]["name"]
        return name

    def _all_pods(self) -> str:
        selector = f"--selector=app.kubernetes.io/instance={self.name}"
        return Kubectl()("get", "pods", f"--namespace={self.namespace}", selector, "--output=name")


DEFAULT = Release("kafkatrigger", "kafkatrigger-system")
"""The release that the documents and the demo install."""
