"""Results as a picture: a bar for each contestant of the cases that measure a rate. Pure; readable in light and dark."""

from html import escape

from benchmarks.measured import CaseResult, Results, Runs
from benchmarks.report import number

WIDTH, NAMES, NUMBERS = 860, 230, 150
"""Pixels: of all, of the names on the left, of the numbers on the right."""
BAR, GAP, HEAD = 18, 6, 34

_STYLE = """
    text { fill: #1f2328 } .note { fill: #57606a; font-size: 12px } .case { font-weight: 600 } .name { text-anchor: end }
    .ours { fill: #0969da } .other { fill: #afb8c1 } .spread { stroke: #57606a; stroke-width: 1.5 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .note { fill: #9aa4af } .ours { fill: #58a6ff } .other { fill: #484f58 }
      .spread { stroke: #9aa4af }
    }"""


def draw(results: Results) -> str:
    """The picture as SVG."""
    cases = [case for case in results.cases if any(each.samples("rate") for each in case.contestants)]
    cases = [case for case in cases if case.name != "memory"]
    parts, y = [], 30
    for case in cases:
        drawn, y = _case(case, y)
        parts.append(drawn)
    title = f"Messages per second, {results.date}, {results.machine['cores']} cores: median, lowest and highest run"
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img" aria-labelledby="title" '
        "font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif\" "
        f'font-size="13">\n  <title id="title">{escape(title)}</title>\n  <style>{_STYLE}\n  </style>\n'
        f'  <text class="note" x="10" y="18">{escape(title)}</text>\n{body}\n</svg>\n'
    )


def _case(case: CaseResult, y: int) -> tuple[str, int]:
    """A case from this height on, and the height at which it ends."""
    most = max(max(each.samples("rate"), default=0.0) for each in case.contestants)
    lines = [f'  <text class="case" x="10" y="{y + 20}">{escape(case.title)}</text>']
    y += HEAD
    for each in case.contestants:
        lines.append(_bar(each, most, y))
        y += BAR + GAP
    return "\n".join(lines), y + GAP


def _bar(runs: Runs, most: float, y: int) -> str:
    scale = (WIDTH - NAMES - NUMBERS) / most
    median = runs.median("rate")
    middle = y + BAR / 2
    name = f'  <text class="name" x="{NAMES - 8}" y="{y + 14}">{escape(runs.contestant)}</text>'
    if median is None:
        return f'{name}<text class="note" x="{NAMES}" y="{y + 14}">not measured</text>'
    low, high = min(runs.samples("rate")) * scale, max(runs.samples("rate")) * scale
    kind = "ours" if runs.contestant.startswith("kafkatrigger") else "other"
    return (
        f'{name}<rect class="{kind}" x="{NAMES}" y="{y}" width="{median * scale:.1f}" height="{BAR}"/>'
        f'<path class="spread" d="M{NAMES + low:.1f} {middle} H{NAMES + high:.1f}"/>'
        f'<text x="{NAMES + high + 8:.1f}" y="{y + 14}">{number(median)}</text>'
    )
