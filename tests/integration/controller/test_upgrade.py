"""What an upgrade of the release does to triggers that are there: nothing, unless it concerns their pods."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.control_plane import ControlPlane
from tests.integration.controller import test_objects
from tests.integration.controller.operator_process import running_operator
from tests.integration.controller.test_objects import ROUND, settled
from tests.integration.controller.world import World
from tests.support.chart import CHART, helm, only, rendered
from tests.support.kubernetes import DEPLOYMENTS, Body
from tests.support.waiting import until

Values = dict[str, Any]
Released = Callable[..., AbstractContextManager[None]]
"""The operator that the chart installs, for as long as the context; arguments: values, and which chart."""

PINNED: Values = {name: {"tag": "0.1.0"} for name in ("consumer", "runtime")}
ELSEWHERE: Values = {
    "reconcilers": 3,
    "resources": {"requests": {"cpu": "2"}},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"disk": "fast"},
}
OWN_IMAGE = {"runtime": {"image": "example.com/theirs:1"}}


@pytest.fixture
def world(unserved: World) -> World:
    return unserved


@pytest.fixture
def released(control_plane: ControlPlane, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Released:
    @contextmanager
    def release(values: Values, chart: Path = CHART) -> Iterator[None]:
        manifests = rendered({**values, "watchNamespaces": [namespace], "aggregatedRoles": False}, chart)
        settings = yaml.safe_load(only(manifests, "ConfigMap")["data"]["operator.yaml"])
        folder = tmp_path_factory.mktemp("operator")
        with running_operator(control_plane.kubeconfig, folder, test_objects.HURRY, **settings) as running:
            yield
            assert "Traceback" not in running.log, running.log

    return release


@pytest.fixture(scope="module")
def next_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart of the next version, and of the next of all images."""
    folder = tmp_path_factory.mktemp("chart")
    helm("package", CHART, "--version=9.9.9", "--app-version=9.9.9", f"--destination={folder}")
    return folder / "kafkatrigger-9.9.9.tgz"


def generations(world: World) -> dict[str, int]:
    """How often the Deployment of each trigger was changed."""
    found = world.api.items(world.path(DEPLOYMENTS))
    return {each["metadata"]["name"]: each["metadata"]["generation"] for each in found}


def template(world: World, name: str = "rul") -> Body:
    found: Body = world.child(DEPLOYMENTS, name)["spec"]["template"]
    return found


def test_what_does_not_concern_pods_writes_nothing(world: World, released: Released, next_chart: Path) -> None:
    with released({"images": PINNED}):
        world.apply()
        before = settled(world)
    with released({"images": {**PINNED, "operator": {"tag": "2"}}, "operator": ELSEWHERE}, next_chart):
        time.sleep(ROUND)  # nothing is to happen, so there is nothing to wait for
        assert world.versions() == before


def test_what_concerns_pods_changes_those_that_it_concerns(world: World, released: Released) -> None:
    with released({"images": PINNED}):
        world.apply()
        world.apply("theirs", **OWN_IMAGE)
        for name in ("rul", "theirs"):
            world.pods(1, name)
            world.rested_versions(name)
        before = generations(world)
    with released({"images": {**PINNED, "runtime": {"tag": "2"}}}):
        until(lambda: template(world)["spec"]["initContainers"][0]["image"].endswith(":2"), 30, "the new image")
        world.rested_versions("theirs")
        assert generations(world)["theirs-consumer"] == before["theirs-consumer"]
    with released({"images": {**PINNED, "runtime": {"tag": "2"}}, "defaults": {"delivery": {"timeout": "1m"}}}):
        until(lambda: generations(world)["theirs-consumer"] > before["theirs-consumer"], 30, "the new timeout")


def test_a_new_version_brings_its_images(world: World, released: Released, next_chart: Path) -> None:
    with released({}):
        world.apply()
        settled(world)
        before = template(world)["metadata"]["annotations"]
    with released({}, next_chart):
        until(lambda: template(world)["spec"]["containers"][0]["image"].endswith(":9.9.9"), 30, "the new image")
        after = template(world)["metadata"]["annotations"]
        differing = {name for name in after if after[name] != before[name]}
        assert differing == {"kafkatrigger.dev/template-hash"}
