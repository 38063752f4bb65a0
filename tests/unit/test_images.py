"""What a process imports is what its image needs: each image has the packages of its own extra, and no more."""

import subprocess
import sys

import pytest

OPERATOR_ONLY = {"pydantic", "kopf", "kubernetes", "click", "yaml"}
ANALYTICS_ONLY = {"numpy", "pandas", "plotly", "obstore", "psycopg", "pyarrow", "sqlalchemy", "urllib3"}
CASES = {
    "kafkatrigger.consumer.__main__": OPERATOR_ONLY,
    "kafkatrigger.runtime.__main__": {*OPERATOR_ONLY, "confluent_kafka", "prometheus_client"},
    "kafkatrigger.runtime.worker": {*OPERATOR_ONLY, "confluent_kafka", "prometheus_client"},
    "kafkatrigger.runtime.transformations.execution": {*OPERATOR_ONLY, *ANALYTICS_ONLY},
    "kafkatrigger.runtime.adapters.registry": {*OPERATOR_ONLY, *ANALYTICS_ONLY},
    "kafkatrigger.runtime.transformations.hetida": {*OPERATOR_ONLY, *ANALYTICS_ONLY},
}


@pytest.mark.parametrize("module", CASES)
def test_a_process_imports_only_what_its_image_has(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(result.stdout.split()) & CASES[module]


def test_the_source_root_is_no_package() -> None:
    """`operator/` beside the interpreter's own module `operator` would break every program that is started here."""
    import operator
    from pathlib import Path

    root = Path(__file__).parents[2] / "operator"
    assert not (root / "__init__.py").exists()
    assert not (root / "operator.py").exists()
    assert operator.__file__ and not operator.__file__.startswith(str(root))
