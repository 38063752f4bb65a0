"""Every link inside the repository leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.support.docs import ROOT, documents, prose

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    plain = (re.sub(r"[`*]|\[|\]\(.*?\)", "", heading).lower() for heading in _HEADING.findall(prose(path)))
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


def problem(page: Path, target: str) -> str:
    """What is wrong with a link; empty when nothing is."""
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.exists():
        return f"{target}: there is no such file"
    if not path.is_relative_to(ROOT):
        return f"{target}: outside of the repository"
    if anchor and anchor not in anchors(path):
        return f"{target}: there is no such heading"
    return ""


@pytest.mark.parametrize("page", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [each for each in _LINK.findall(prose(page)) if not each.startswith(("http://", "https://"))]
    assert [found for each in targets if (found := problem(page, each))] == []


@pytest.mark.parametrize("page", [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/adr/0*.md")], ids=lambda path: path.name)
def test_every_page_is_linked_from_another(page: Path) -> None:
    linked = {
        (other.parent / target.partition("#")[0]).resolve()
        for other in documents()
        if other != page
        for target in _LINK.findall(prose(other))
    }
    assert page in linked


def test_finds_what_is_wrong() -> None:
    page = ROOT / "docs" / "conditions.md"
    assert problem(page, "nowhere.md")
    assert problem(page, "triggers.md#nowhere")
    assert problem(page, "#accepted") == ""
