"""Commands in the documents exist: targets, options, files, chart values."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from kafkatrigger.cli.main import main
from tests.run import SUITES
from tests.support.docs import README, ROOT, Command, all_blocks, blocks, commands, documents, inline_code

VALUES: dict[str, Any] = yaml.safe_load((ROOT / "charts" / "kafkatrigger" / "values.yaml").read_text())
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def all_commands() -> list[Command]:
    return [command for path in documents() for command in commands(path)]


def words(command: Command, program: str) -> Iterator[list[str]]:
    """The arguments of each call of a program in a command."""
    for part in re.split(r"\||&&|;", command.text.replace("\\\n", " ")):
        found = shlex.split(part.replace("$(", "").replace(")", "")) if part.count('"') % 2 == 0 else []
        if found and found[0].rpartition("/")[2] == program:
            yield found[1:]


def mentioned_targets() -> Iterator[tuple[str, str]]:
    for path in documents():
        for code in inline_code(path):
            if found := re.fullmatch(r"make ([a-z-]+)", code):
                yield path.name, found[1]
    for command in all_commands():
        for arguments in words(command, "make"):
            yield from ((command.where, target) for target in arguments)


def test_make_targets_exist() -> None:
    mentioned = list(mentioned_targets())
    assert mentioned
    assert [each for each in mentioned if each[1] not in TARGETS] == []


def test_commands_of_kafkatrigger_parse() -> None:
    calls = [each for command in all_commands() for each in words(command, "kafkatrigger")]
    plugin = [each[1:] for command in all_commands() for each in words(command, "kubectl") if each[0] == "kafkatrigger"]
    assert calls
    assert plugin
    for arguments in (*calls, *plugin):
        parse(main, arguments)


def parse(command: click.Command, arguments: list[str]) -> None:
    """AssertionError or UsageError where there is no such command, or it takes no such arguments."""
    context = click.Context(command)
    if isinstance(command, click.Group):
        subcommand = command.get_command(context, arguments[0])
        assert subcommand is not None, arguments
        parse(subcommand, arguments[1:])
    else:
        command.make_context(command.name, list(arguments))


def test_values_that_are_set_exist() -> None:
    settings = [
        each for command in all_commands() for each in re.findall(r"--set(?:-string)?[ =](\S+?)=", command.text)
    ]
    assert settings
    assert [each for each in settings if not is_value(each)] == []


def is_value(path: str) -> bool:
    node: Any = VALUES
    for name in path.split("."):
        if not isinstance(node, dict) or name not in node:
            return False
        node = node[name]
    return True


@pytest.mark.parametrize("page", documents(), ids=lambda path: path.name)
def test_chart_values_that_are_named_exist(page: Path) -> None:
    names = (code for code in inline_code(page) if re.fullmatch(r"[a-zA-Z]+(\.[a-zA-Z]+)+", code))
    assert [
        name for name in names if name.split(".")[0] in VALUES and not name.endswith(".py") and not is_value(name)
    ] == []


def exists(arguments: list[str]) -> bool:
    """Whether what a Python is told to run is there."""
    return (
        importlib.util.find_spec(arguments[1]) is not None if arguments[0] == "-m" else (ROOT / arguments[0]).is_file()
    )


def test_files_and_modules_of_commands_exist() -> None:
    missing = []
    for command in all_commands():
        for arguments in (*words(command, "python"), *words(command, "python3")):
            found = exists(arguments)
            missing += [] if found else [(command.where, arguments)]
        for path in re.findall(r"(?:^|[ =])((?:docs|charts|examples|tests)/[\w./-]+)", command.text):
            missing += [] if (ROOT / path).exists() else [(command.where, path)]
    assert missing == []


def test_suites_that_are_named_exist() -> None:
    suites = {suite.name for suite in SUITES}
    for command in all_commands():
        for arguments in words(command, "python"):
            if arguments[:2] == ["-m", "tests.run"]:
                assert set(arguments[2:]) <= suites
    rows = re.findall(r"^\| (\w+) \| (\d+) s \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert {name: int(budget) for name, budget in rows} == {suite.name: suite.budget for suite in SUITES}


def test_blocks_of_commands_begin_with_one() -> None:
    assert [block.where for block in all_blocks("console") if not block.text.startswith("$ ")] == []
    assert [block.where for language in ("bash", "sh", "shell") for block in all_blocks(language)] == []


def test_the_first_trigger_can_be_run() -> None:
    """What the end-to-end tests rely on."""
    assert [len(commands(README, name)) for name in ("prepare", "install", "first trigger")] == [4, 1, 8]
    assert {block.name for block in blocks(README, "console")} == {"", "prepare", "install", "first trigger"}
    shown = next(each for each in commands(README, "first trigger") if "receive" in each.text)
    assert shown.output == 'demo {"n":2}\ndemo {"n":4}\ndemo {"n":6}\n'
    (install,) = commands(README, "install")
    assert "\n" in install.text
