"""The documents about monitoring list what is exported, no more and no less."""

import re

from tests.support import metrics
from tests.support.dashboards import FILES, panels, rules
from tests.support.docs import ROOT
from tests.support.metrics import Exported

ALERTS = [each for each in rules() if "alert" in each]
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


def test_alerts_are_listed() -> None:
    names = [each["alert"] for each in ALERTS]
    assert re.findall(r"^\| \[`(\w+)`\]", MONITORING, re.MULTILINE) == names
    assert re.findall(r"^## (\w+)$", (ROOT / "docs" / "alerts.md").read_text(), re.MULTILINE) == names


def test_alerts_say_what_to_do_and_where_it_is_explained() -> None:
    for each in ALERTS:
        notes, name = each["annotations"], each["alert"]
        assert notes["runbook_url"] == f"docs/alerts.md#{name.lower()}"
        assert notes["summary"].endswith(".")
        assert len(notes["description"]) > len(notes["summary"])
        assert each["labels"]["severity"] in ("critical", "warning")


def test_the_picture_is_of_the_dashboard_as_it_is() -> None:
    picture = (ROOT / "docs" / "dashboard.svg").read_text()
    titles = [each["title"] for each in panels(FILES / "dashboards" / "trigger.json")]
    assert re.findall(r'<text class="title"[^>]*>(.*?)</text>', picture) == titles
    assert "prefers-color-scheme: dark" in picture
