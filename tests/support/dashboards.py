"""The chart's dashboards and rules, as tests and pictures read them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from docs.draw_dashboard import filled

FILES = Path(__file__).parents[2] / "charts" / "kafkatrigger" / "files"
ALERTS = FILES / "alerts.yaml"
DASHBOARDS = sorted((FILES / "dashboards").glob("*.json"))

_VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$namespace": "plant-7", "$trigger": "rul"}


def rules() -> list[dict[str, Any]]:
    """Those that record and those that alert."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels(dashboard: Path) -> list[dict[str, Any]]:
    """The panels of a dashboard."""
    found: list[dict[str, Any]] = json.loads(dashboard.read_text())["panels"]
    return found


def expressions(dashboard: Path) -> Iterator[tuple[str, str]]:
    """Each expression of a dashboard's panels, as Grafana sends it, and the panel's title."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield panel["title"], filled(target["expr"], _VARIABLES)
