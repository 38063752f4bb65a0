"""Each program is there as soon as it was built, whatever else is still being built."""

from pathlib import Path

import pytest

from tests.cluster import cache, tools
from tests.cluster.errors import ClusterError
from tests.cluster.programs import HELM_PROGRAM, KUBERNETES_PROGRAMS


def test_the_cluster_needs_no_helm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    KUBERNETES_PROGRAMS.entry.path.mkdir()
    assert tools.tools().kubectl.parent == KUBERNETES_PROGRAMS.entry.path
    with pytest.raises(ClusterError, match="helm is not built"):
        print(tools.tools().helm)
    HELM_PROGRAM.entry.path.mkdir()
    assert tools.tools().helm.name == "helm"
