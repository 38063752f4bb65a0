"""Draws a dashboard of the chart with what a Prometheus has scraped, as a picture for the documents.

python docs/draw_dashboard.py DASHBOARD PROMETHEUS SECONDS [NAME=VALUE ...] > PICTURE

    python docs/draw_dashboard.py charts/kafkatrigger/files/dashboards/trigger.json http://localhost:9090 300 \
        namespace=shop trigger=prices > docs/dashboard.svg

shows the last 300 seconds. Panels, titles, expressions and legends are the dashboard's own, so the picture shows what
Grafana does; how it looks is this script's.
"""

import json
import math
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

COLUMN, ROW, GAP, HEADER = 48, 25, 8, 44
"""Pixels of a unit of Grafana's grid, between panels, and above them all."""
POINTS = 150
_STYLE = """
svg { font-family: system-ui, sans-serif; font-size: 11px; fill: #24292f; background: #f4f5f7 }
.panel { fill: #ffffff; stroke: #d8dce1 } .title { font-size: 13px; font-weight: 600 } .head { font-size: 17px }
.grid { stroke: #e4e7eb } .axis, .legend { fill: #5b6570 } .line { fill: none; stroke-width: 1.5 }
.value { font-size: 30px; font-weight: 600; text-anchor: middle } .right { text-anchor: end } .middle { text-anchor: middle }
.c0 { stroke: #2f7ed8 } .c1 { stroke: #d9822b } .c2 { stroke: #2a9d5c } .c3 { stroke: #c93c4a } .c4 { stroke: #8153c0 }
.c5 { stroke: #0f9aa8 } .c6 { stroke: #a67c00 } .c7 { stroke: #7a869a }
.green { fill: #1f8a4c } .red { fill: #c93c4a }
@media (prefers-color-scheme: dark) {
  svg { fill: #d5d9de; background: #14171c } .panel { fill: #1c2026; stroke: #2e343c } .grid { stroke: #2a3038 }
  .axis, .legend { fill: #98a2ad } .green { fill: #5fc98b } .red { fill: #ef7a85 }
}
"""


class Series(NamedTuple):
    """A line of a panel: its legend, and values at times; NaN where there is none."""

    legend: str
    points: list[tuple[float, float]]


class Window(NamedTuple):
    """What is shown, in seconds since the epoch."""

    start: float
    end: float

    @property
    def step(self) -> float:
        return (self.end - self.start) / POINTS


def main(arguments: Sequence[str]) -> str | None:
    """Writes the picture; a sentence where the arguments are wrong."""
    if len(arguments) < 3:
        return __doc__
    path, prometheus, seconds, *given = arguments
    window = Window(time.time() - float(seconds), time.time())
    variables = {f"${name}": value for name, _, value in (each.partition("=") for each in given)}
    variables |= {"$__rate_interval": f"{math.ceil(window.step * 5)}s", "$__range": f"{seconds}s"}
    dashboard = json.loads(Path(path).read_text())
    found = [(panel, list(_answers(prometheus, panel, variables, window))) for panel in dashboard["panels"]]
    sys.stdout.write(picture(dashboard, found, window, ", ".join(given)))
    return None


def filled(expression: str, variables: Mapping[str, str]) -> str:
    """The expression with Grafana's variables, which begin with a dollar sign, replaced."""
    for name, value in variables.items():
        expression = expression.replace(name, value)
    return expression


def _answers(prometheus: str, panel: dict[str, Any], variables: Mapping[str, str], window: Window) -> Iterator[Series]:
    for target in panel["targets"]:
        for result in _asked(prometheus, filled(target["expr"], variables), window):
            legend = filled(
                target["legendFormat"], {f"{{{{{name}}}}}": text for name, text in result["metric"].items()}
            )
            yield Series(legend, [(float(at), float(value)) for at, value in result["values"]])


def _asked(prometheus: str, expression: str, window: Window) -> list[dict[str, Any]]:
    query = {"query": expression, "start": window.start, "end": window.end, "step": window.step}
    address = f"{prometheus}/api/v1/query_range?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - the address that the caller gives
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return result


def picture(
    dashboard: dict[str, Any], found: Sequence[tuple[dict[str, Any], list[Series]]], window: Window, given: str
) -> str:
    """The picture of a dashboard, with the lines of each panel."""
    width = 24 * COLUMN + GAP
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in found) * ROW + HEADER + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(dashboard['title'])}: {escape(dashboard['description'])}</title>",
        f"<style>{_STYLE}</style>",
        f'<text class="head" x="{GAP * 2}" y="29">{escape(dashboard["title"])}: {escape(given)}</text>',
    ]
    for panel, series in found:
        lines += _panel(panel, series, window)
    return "\n".join([*lines, "</svg>\n"])


def _panel(panel: dict[str, Any], series: list[Series], window: Window) -> Iterator[str]:
    place, unit = panel["gridPos"], panel["fieldConfig"]["defaults"]["unit"]
    width, height = place["w"] * COLUMN - GAP, place["h"] * ROW - GAP
    yield f'<g transform="translate({place["x"] * COLUMN + GAP} {place["y"] * ROW + HEADER})">'
    yield f'<rect class="panel" width="{width}" height="{height}" rx="3"/>'
    yield f'<text class="title" x="10" y="19">{escape(panel["title"])}</text>'
    if panel["type"] == "stat":
        yield _stat(panel, series, width, height)
    else:
        yield from _graph(series, unit, width, height, window)
    yield "</g>"


def _stat(panel: dict[str, Any], series: list[Series], width: int, height: int) -> str:
    if not series:
        return f'<text class="value axis" x="{width / 2:g}" y="{height - 22}">no data</text>'
    value, defaults = series[0].points[-1][1], panel["fieldConfig"]["defaults"]
    steps = [
        each["color"] for each in defaults["thresholds"]["steps"] if each["value"] is None or each["value"] <= value
    ]
    return (
        f'<text class="value {steps[-1]}" x="{width / 2:g}" y="{height - 22}">{_number(value, defaults["unit"])}</text>'
    )


def _graph(series: list[Series], unit: str, width: int, height: int, window: Window) -> Iterator[str]:
    left, top, right, bottom = 58, 32, width - 12, height - 40
    ticks = _ticks(max((value for each in series for _, value in each.points if not math.isnan(value)), default=0))
    for tick in ticks:
        y = bottom - tick / ticks[-1] * (bottom - top)
        yield f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="axis right" x="{left - 6}" y="{y + 4:.1f}">{_number(tick, unit)}</text>'
    for share in (0, 0.25, 0.5, 0.75, 1):
        ago = round((1 - share) * (window.end - window.start))
        x = left + share * (right - left)
        yield f'<text class="axis {"right" if share == 1 else "middle"}" x="{x:g}" y="{bottom + 15}">{_ago(ago)}</text>'
    for number, each in enumerate(series):
        places = [
            (left + (at - window.start) / (window.end - window.start) * (right - left), value)
            for at, value in each.points
        ]
        path = _path([(x, bottom - value / ticks[-1] * (bottom - top)) for x, value in places])
        yield f'<path class="line c{number % 8}" d="{path}"/>'
    yield from _legends(series, left, right, height - 10)


def _legends(series: list[Series], left: int, right: int, y: int) -> Iterator[str]:
    """As many as fit into the line."""
    x = left
    for number, each in enumerate(series):
        width = 24 + 6.2 * len(each.legend)
        if x + width > right:
            yield f'<text class="legend" x="{x:g}" y="{y}">...</text>'
            return
        yield f'<line class="line c{number % 8}" x1="{x:g}" x2="{x + 12:g}" y1="{y - 4}" y2="{y - 4}"/>'
        yield f'<text class="legend" x="{x + 16:g}" y="{y}">{escape(each.legend)}</text>'
        x += round(width)


def _path(places: Sequence[tuple[float, float]]) -> str:
    """A line that is broken where there is no value."""
    text, pen = "", "M"
    for x, y in places:
        text += "" if math.isnan(y) else f"{pen}{x:.1f} {y:.1f}"
        pen = "M" if math.isnan(y) else "L"
    return text


def _ticks(highest: float) -> list[float]:
    """Round numbers from zero to the first that is not below the highest value."""
    if highest <= 0:
        return [0, 1]
    size = 10 ** math.floor(math.log10(highest / 3))
    step = next(size * each for each in (1, 2, 5, 10) if size * each * 4 >= highest)
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def _ago(seconds: int) -> str:
    return "now" if not seconds else f"-{seconds // 60}:{seconds % 60:02d}"


def _number(value: float, unit: str) -> str:
    """As Grafana shows a value of the unit."""
    if unit == "s" and 0 < value < 1:
        return f"{value * 1000:.3g} ms"
    suffix = {"s": " s", "mps": " /s", "ops": " /s"}.get(unit, "")
    return f"{value / 1000:.3g} k{suffix.lstrip()}" if value >= 1000 else f"{value:.3g}{suffix}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
