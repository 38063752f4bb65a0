"""The example's trigger is valid and fits its function, its image and its scripts."""

import importlib
from pathlib import Path
from typing import Any

import yaml

from examples.rul import produce, watch
from kafkatrigger.api.resources import API_VERSION, KIND, KafkaTriggerSpec

EXAMPLE = Path(produce.__file__).parent
TRIGGER: dict[str, Any] = yaml.safe_load((EXAMPLE / "trigger.yaml").read_text(encoding="utf-8"))
SPEC = KafkaTriggerSpec.model_validate(TRIGGER["spec"])


def test_it_is_a_trigger_for_any_namespace() -> None:
    assert (TRIGGER["apiVersion"], TRIGGER["kind"]) == (API_VERSION, KIND)
    assert TRIGGER["metadata"] == {"name": "rul"}


def test_its_function_exists_and_the_image_has_its_module() -> None:
    module, function = str(SPEC.transformation.function).split(":")
    assert callable(getattr(importlib.import_module(f"examples.rul.{module}"), function))
    assert f"COPY {module}.py /app/" in (EXAMPLE / "Dockerfile").read_text(encoding="utf-8").splitlines()


def test_the_scripts_use_its_topics_and_headers() -> None:
    assert SPEC.source.topics == [produce._parser().get_default("topic")]
    assert SPEC.response is not None
    assert SPEC.response.topic == watch._parser().get_default("topic")
    assert SPEC.response.headers == "Source"
    assert watch.REAL_CROSSING == produce.REAL_CROSSING
