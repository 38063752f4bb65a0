"""The documents, as tests read them: fenced blocks, the commands in them, and what comments above a block say of it.

- `<!-- run: NAME -->` above a `console` block: its commands can be run, in the order of the page, together with those of
  the page's other blocks of that name. `commands(path, NAME)` gives them.
- `<!-- run -->` above a `python` block: it is executed by a unit test, together with the page's others.
- `<!-- file: PATH -->` above a block: it shows that file of the repository, and is equal to it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"<!-- (\w+)(?:: (.+?))? -->\n\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block; `mark` and `name` are those of the comment above it, or empty."""

    path: Path
    line: int
    language: str
    text: str
    mark: str = ""
    name: str = ""

    @property
    def where(self) -> str:
        """For the names of tests."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A shell command, as one line or several, to be run by bash in the repository's root; and what it shows, if anything."""

    where: str
    text: str
    output: str


def documents() -> list[Path]:
    """Every page that is ours."""
    pages = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("charts/*/*.md"),
        *ROOT.glob("examples/**/*.md"),
    ]
    return sorted(pages)


def blocks(path: Path, language: str = "") -> list[Block]:
    """The fenced blocks of a page, or those in one language."""
    return [block for block in _blocks(path) if language in ("", block.language)]


def all_blocks(language: str) -> list[Block]:
    """The blocks in a language, of all pages."""
    return [block for path in documents() for block in blocks(path, language)]


def commands(path: Path, name: str = "") -> list[Command]:
    """The commands of a page's console blocks in their order, or of those marked `run: NAME` alone."""
    wanted = (block for block in blocks(path, "console") if not name or (block.mark, block.name) == ("run", name))
    return [command for block in wanted for command in _commands(block)]


def prose(path: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", path.read_text())


def inline_code(path: Path) -> list[str]:
    """What stands between backticks in the page's prose."""
    return re.findall(r"`([^`\n]+)`", prose(path))


def _blocks(path: Path) -> Iterator[Block]:
    text = path.read_text()
    for found in _FENCE.finditer(text):
        above = text[: found.start()]
        mark = _MARK.search(above)
        kind, name = (mark[1], mark[2] or "") if mark else ("", "")
        yield Block(path, above.count("\n") + 1, found[1], found[2], kind, name)


def _commands(block: Block) -> Iterator[Command]:
    """A `$ ` begins a command, a line that ends with a backslash goes on; everything else is output."""
    text, output = "", ""
    goes_on = False
    for line in block.text.splitlines():
        if goes_on:
            text += f"\n{line}"
        elif line.startswith("$ "):
            if text:
                yield Command(block.where, text, output)
            text, output = line.removeprefix("$ "), ""
        else:
            output += f"{line}\n"
            continue
        goes_on = line.endswith("\\")
    if text:
        yield Command(block.where, text, output)
