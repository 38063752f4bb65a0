"""What the documents list is what the code has: fields, reasons, headers, metrics."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docs import generate
from kafkatrigger.api import crd, pod_status
from kafkatrigger.consumer import dead_letter
from kafkatrigger.consumer.offsets import Origin, start
from kafkatrigger.consumer.partition import Partition
from tests.support.docs import ROOT, documents, inline_code

PACKAGE = ROOT / "operator" / "kafkatrigger"
CONDITIONS = (ROOT / "docs" / "conditions.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
REASON = re.compile(r"[A-Z][A-Za-z]+")
SPEC = crd.definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


def test_the_reference_of_fields_is_fresh() -> None:
    text = generate.REFERENCE.read_text()
    assert generate.filled(text) == text, "run `make generate`"


@pytest.mark.parametrize("page", documents(), ids=lambda path: path.name)
def test_fields_that_are_named_exist(page: Path) -> None:
    names = (code.removeprefix("spec.") for code in inline_code(page) if re.fullmatch(r"[a-zA-Z]+(\.[a-zA-Z]+)+", code))
    assert [name for name in names if name.split(".")[0] in SPEC["properties"] and not is_field(name)] == []


def is_field(path: str) -> bool:
    schema = SPEC
    for name in path.split("."):
        schema = schema.get("properties", {}).get(name) or schema.get("items", {}).get("properties", {}).get(name)
        if schema is None:
            return False
    return True


def trees(folder: str) -> Iterator[ast.Module]:
    for path in sorted((PACKAGE / folder).glob("*.py")):
        yield ast.parse(path.read_text())


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


def words(node: ast.AST) -> set[str]:
    """The one-word texts anywhere in an expression."""
    texts = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str))
    return {text for text in texts if REASON.fullmatch(text)}


def returned(tree: ast.Module, name: str) -> set[str]:
    """The one-word texts that a function of the module returns."""
    functions = (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef) and each.name == name)
    returns = (each.value for function in functions for each in ast.walk(function) if isinstance(each, ast.Return))
    return {word for value in returns if value is not None for word in words(value)}


def constant(tree: ast.Module, name: str) -> set[str]:
    """The one-word text that a constant of the module is."""
    assigned = (each for each in tree.body if isinstance(each, ast.Assign))
    return {word for each in assigned if assigned_names(each) == {name} for word in words(each.value)}


def assigned_names(assignment: ast.Assign) -> set[str]:
    return {target.id for target in assignment.targets if isinstance(target, ast.Name)}


def of_verdicts() -> set[str]:
    """The operator's own: first arguments of what makes a verdict."""
    found: set[str] = set()
    for tree in trees("controller"):
        for call in calls(tree, "yes", "no", "unknown"):
            reason = call.args[0]
            found |= words(reason)
            if isinstance(reason, ast.Call) and isinstance(reason.func, ast.Name):
                found |= returned(tree, reason.func.id)
            if isinstance(reason, ast.Name):
                found |= constant(tree, reason.id)
    return found


def of_pods() -> set[str]:
    """What a pod says: the contract's, and those of the connection to the runtime, which the runtime's refusals become."""
    found = {value for name, value in vars(pod_status).items() if name.isupper() and isinstance(value, str)}
    for tree in trees("consumer"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and "problem" in ast.dump(node.targets[0]):
                found |= words(node.value.elts[0]) if isinstance(node.value, ast.Tuple) else set()
    for tree in trees("runtime"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_refuse":
                found |= {word for argument in node.args[1:2] for word in words(argument)}
        found |= returned(tree, "_no_common_version")
    return found


def of_events() -> set[str]:
    return {word for tree in trees("controller") for call in calls(tree, "Notice") for word in words(call.args[1])}


def of_failures() -> set[str]:
    """Why messages fail: in the headers of dead letters."""
    found: set[str] = set()
    for folder in ("consumer", "runtime"):
        for tree in trees(folder):
            found |= {word for call in calls(tree, "Failed") for word in words(call.args[0])}
            found |= {word for call in calls(tree, "WorkerExited") for word in words(call.args[1])}
    return found - {"Ended"}  # the consumer's own wish: no message fails by it


@pytest.mark.parametrize(
    ("collected", "expected"),
    [
        (of_verdicts, {"Accepted", "GroupInUse", "ScaledToZero", "NameTaken", "ObjectContested"}),
        (of_pods, {"JoiningGroup", "RuntimeTooNew", "UnknownSession", "RuntimeNotConnected"}),
        (of_events, {"Ready", "NotReady", "Resumed"}),
    ],
)
def test_every_reason_is_explained(collected: Callable[[], set[str]], expected: set[str]) -> None:
    reasons = collected()
    assert expected <= reasons, "the collector misses some"
    assert [reason for reason in sorted(reasons) if f"`{reason}`" not in CONDITIONS] == []


def test_every_explained_reason_exists() -> None:
    explained = set(re.findall(r"^\| `([A-Za-z]+)` \|", CONDITIONS, re.MULTILINE))
    assert explained - of_verdicts() - of_pods() == set()


def test_reasons_of_dead_letters_are_listed() -> None:
    table = OPERATIONS.partition("| reason | meaning |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == of_failures()


def test_headers_of_dead_letters_are_listed() -> None:
    record = (0, 7, 0, 1, None, None, None)
    partition = Partition("t", 0, 0, Origin("Committed"), start(0))
    names = [name for name, _ in dead_letter.headers(partition, record, "", "", "", b"")]
    listed = re.findall(
        r"`(kafkatrigger\.[a-z.]+|\.[a-z]+)`", OPERATIONS.partition("| header | value |")[2].partition("\n\n")[0]
    )
    stems = {f"kafkatrigger.source{name}" if name.startswith(".") else name for name in listed}
    assert stems == {*names, "kafkatrigger.value.omitted"}


def test_the_picture_is_readable_in_light_and_dark() -> None:
    picture = (ROOT / "docs" / "architecture.svg").read_text()
    assert "prefers-color-scheme: dark" in picture
    assert "<title" in picture
