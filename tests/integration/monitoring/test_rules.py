"""Alerts and dashboards, as Prometheus itself reads them."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.tools import tools
from tests.support.dashboards import ALERTS, DASHBOARDS, expressions, rules

SERIES = Path(__file__).parent / "alerts_on_series.yaml"
NAMES = [each["alert"] for each in rules() if "alert" in each]


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run([tools().promtool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cases(alert: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load(SERIES.read_text())["tests"] if each["name"].split()[0] == alert]


def test_the_rules_are_valid() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", "--lint-fatal", ALERTS)


def test_alerts_fire_on_what_they_are_about_and_on_nothing_else() -> None:
    promtool("test", "rules", SERIES)


@pytest.mark.parametrize("alert", NAMES)
def test_each_alert_is_seen_firing_and_silent(alert: str) -> None:
    kinds = {each["name"].split()[1] for each in cases(alert)}
    assert kinds >= {"fires:", "silent:"}
    for each in cases(alert):
        about = [test["exp_samples"] for test in each["promql_expr_test"] if f'alertname="{alert}"' in test["expr"]]
        assert about
        if each["name"].split()[1] != "silent:":
            assert any(about) or "ends:" in each["name"]
        else:
            assert not any(about)


def test_cases_are_about_alerts_that_exist() -> None:
    assert set(re.findall(r'alertname="(\w+)"', SERIES.read_text())) == set(NAMES)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_expressions_of_dashboards_can_be_read(path: Path, tmp_path: Path) -> None:
    found = [{"record": f"panel:{number}", "expr": text} for number, (_, text) in enumerate(expressions(path))]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": path.stem, "rules": found}]}))
    assert f"{len(found)} rules found" in promtool("check", "rules", file)
