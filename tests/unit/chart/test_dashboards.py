"""Dashboards and alerts use what is exported, and Grafana finds what it needs."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.support import metrics
from tests.support.dashboards import DASHBOARDS, expressions, panels, rules

_SELECTOR = re.compile(r"(kafkatrigger[_:]\w+)(?:\{(.*?)\})?", re.DOTALL)
EXPORTED = metrics.labels_of_series() | {each["record"]: metrics.POD_LABELS for each in rules() if "record" in each}
EXPRESSIONS = [
    *((path.stem, title, text) for path in DASHBOARDS for title, text in expressions(path)),
    *(("alerts", each.get("alert", each.get("record")), each["expr"]) for each in rules()),
]


@pytest.mark.parametrize(("where", "title", "expression"), EXPRESSIONS)
def test_metrics_and_labels_are_exported(where: str, title: str, expression: str) -> None:
    used = {name: set(re.findall(r"(\w+) *[=!]", labels or "")) for name, labels in _SELECTOR.findall(expression)}
    assert used
    assert used.keys() <= EXPORTED.keys()
    assert [name for name, labels in used.items() if not labels <= EXPORTED[name]] == []
    aggregated = {label for found in re.findall(r"by \((.*?)\)", expression) for label in found.split(", ")}
    assert aggregated <= set().union(*(EXPORTED[name] for name in used))


def test_every_metric_is_shown() -> None:
    """What nobody looks at need not be exported."""
    shown = " ".join(expression for _, _, expression in EXPRESSIONS)
    assert [name for name in (*metrics.of_pods(), *metrics.of_operator()) if name not in shown] == []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_can_be_told_apart_and_lie_beside_each_other(path: Path) -> None:
    found = panels(path)
    assert all(each["description"] for each in found)
    assert len({each["id"] for each in found}) == len({each["title"] for each in found}) == len(found)
    assert [(a["title"], b["title"]) for a, b in combinations(found, 2) if overlap(a["gridPos"], b["gridPos"])] == []


def overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    return all(a[at] < b[at] + b[size] and b[at] < a[at] + a[size] for at, size in (("x", "w"), ("y", "h")))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_data_source_is_the_users(path: Path) -> None:
    dashboard: dict[str, Any] = json.loads(path.read_text())
    sources = re.findall(r'"datasource": \{[^}]*"uid": "(.*?)"', path.read_text())
    assert set(sources) == {"${datasource}"}
    assert dashboard["templating"]["list"][0]["name"] == "datasource"
    assert "id" not in dashboard


def test_dashboards_have_names_of_their_own() -> None:
    assert len({json.loads(path.read_text())["uid"] for path in DASHBOARDS}) == len(DASHBOARDS) == 2
