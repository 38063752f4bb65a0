"""Triggers and functions in the documents are valid, and do what they say."""

import ast
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from kafkatrigger.api.resources import API_VERSION, KIND
from kafkatrigger.api.validation import Refused, accept
from tests.support.docs import README, ROOT, Block, all_blocks


def where(block: object) -> str:
    return block.where if isinstance(block, Block) else str(block)


def triggers() -> list[tuple[Block, dict[str, Any]]]:
    documents = [(block, each) for block in all_blocks("yaml") for each in yaml.safe_load_all(block.text)]
    return [(block, each) for block, each in documents if isinstance(each, dict) and each.get("kind") == KIND]


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=where)
def test_yaml_can_be_read(block: Block) -> None:
    assert list(yaml.safe_load_all(block.text))


@pytest.mark.parametrize(("block", "trigger"), triggers(), ids=where)
def test_triggers_are_valid(block: Block, trigger: dict[str, Any]) -> None:
    assert trigger["apiVersion"] == API_VERSION
    assert len(trigger["metadata"]["name"]) <= 45
    found = accept("docs", "trigger", trigger["spec"], {})
    assert not isinstance(found, Refused), found.message


@pytest.mark.parametrize("block", all_blocks("python"), ids=where)
def test_python_compiles(block: Block) -> None:
    ast.parse(block.text)


def runnable() -> dict[Path, list[Block]]:
    """The Python blocks to run, by page: together they are one program."""
    pages = defaultdict(list)
    for block in all_blocks("python"):
        if block.mark == "run":
            pages[block.path].append(block)
    return pages


@pytest.mark.parametrize(("page", "blocks"), runnable().items(), ids=lambda each: getattr(each, "name", ""))
def test_python_runs_with_its_own_tests(page: Path, blocks: list[Block]) -> None:
    program: dict[str, Any] = {"__name__": page.stem}
    for block in blocks:
        exec(compile(block.text, block.where, "exec"), program)  # noqa: S102 - our own documents
    tests = [each for name, each in program.items() if name.startswith("test_")]
    assert tests
    for each in tests:
        each()


def shown_files() -> list[Block]:
    return [block for language in ("python", "yaml") for block in all_blocks(language) if block.mark == "file"]


@pytest.mark.parametrize("block", shown_files(), ids=where)
def test_shown_files_are_as_shown(block: Block) -> None:
    assert (ROOT / block.name).read_text() == block.text


def test_the_first_trigger_is_shown_with_its_function() -> None:
    shown = [block.name for block in shown_files() if block.path == README]
    assert shown == ["docs/first/first.py", "docs/first/trigger.yaml"]
