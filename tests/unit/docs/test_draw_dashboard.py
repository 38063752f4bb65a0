"""Dashboards are drawn as their panels say."""

import xml.etree.ElementTree as ElementTree
from math import nan
from typing import Any

import pytest

from docs.draw_dashboard import Series, Window, filled, picture

WINDOW = Window(1000.0, 1100.0)
STEPS = [{"color": "green", "value": None}, {"color": "red", "value": 1}]


def drawn(*lines: Series, kind: str = "timeseries", unit: str = "short") -> ElementTree.Element:
    """A dashboard of one panel."""
    panel: dict[str, Any] = {
        "title": "Keys & values",
        "type": kind,
        "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "thresholds": {"steps": STEPS}}},
    }
    dashboard = {"title": "one trigger", "description": "what it does"}
    return ElementTree.fromstring(picture(dashboard, [(panel, list(lines))], WINDOW, "trigger=rul"))  # noqa: S314


def texts(svg: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in svg.iter("{http://www.w3.org/2000/svg}text")]


def paths(svg: ElementTree.Element) -> list[str]:
    return [each.attrib["d"] for each in svg.iter("{http://www.w3.org/2000/svg}path")]


def test_titles_and_legends_are_shown() -> None:
    shown = texts(drawn(Series("p<50>", [(1000.0, 1.0), (1100.0, 2.0)])))
    assert {"Keys & values", "p<50>", "one trigger: trigger=rul", "-1:40", "now"} <= set(shown)


def test_a_line_is_broken_where_there_is_no_value() -> None:
    (path,) = paths(drawn(Series("a", [(1000.0, 1.0), (1025.0, 2.0), (1050.0, nan), (1075.0, 1.0), (1100.0, 1.0)])))
    assert (path.count("M"), path.count("L"), "nan" in path) == (2, 2, False)


def test_a_panel_without_data() -> None:
    assert paths(drawn()) == []
    assert "no data" in texts(drawn(kind="stat"))


@pytest.mark.parametrize(
    ("highest", "unit", "ticks"),
    [
        (0.0, "short", ["0", "1"]),
        (7.0, "short", ["0", "2", "4", "6", "8"]),
        (4000.0, "mps", ["0 /s", "1 k/s", "2 k/s", "3 k/s", "4 k/s"]),
        (0.03, "s", ["0 s", "10 ms", "20 ms", "30 ms"]),
    ],
)
def test_axes_have_round_numbers(highest: float, unit: str, ticks: list[str]) -> None:
    assert texts(drawn(Series("a", [(1100.0, highest)]), unit=unit))[2 : 2 + len(ticks)] == ticks


@pytest.mark.parametrize(("value", "colour"), [(0.0, "green"), (1.0, "red")])
def test_a_number_has_the_colour_of_its_threshold(value: float, colour: str) -> None:
    svg = drawn(Series("", [(1100.0, value)]), kind="stat")
    assert f"value {colour}" in {each.get("class") for each in svg.iter("{http://www.w3.org/2000/svg}text")}


def test_variables_are_replaced() -> None:
    assert filled('a{b="$b"}[$__range]', {"$b": "c", "$__range": "5m"}) == 'a{b="c"}[5m]'
