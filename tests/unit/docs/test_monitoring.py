"""The documents about monitoring list what is exported, no more and no less."""

import re

from tests.support import metrics
from tests.support.docs import ROOT
from tests.support.metrics import Exported

MONITORING = (ROOT / "docs" / "monitoring.md").read_text()


def listed(whose: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Type and labels of each metric in the table."""
    table = MONITORING.partition(f"| metric of {whose} | type | labels | meaning |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?)\|", table, re.MULTILINE)
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def plain(exported: dict[str, Exported]) -> dict[str, tuple[str, frozenset[str]]]:
    return {name: (each.type, each.labels) for name, each in exported.items()}


def test_metrics_of_pods_are_listed() -> None:
    assert listed("pods") == plain(metrics.of_pods())


def test_metrics_of_the_operator_are_listed() -> None:
    assert listed("the operator") == plain(metrics.of_operator())
