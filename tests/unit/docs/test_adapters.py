"""What the page on adapters says is so."""

import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kafkatrigger.runtime.adapters import local_file, object_store, rest, sql
from kafkatrigger.runtime.adapters.kept import Kept
from kafkatrigger.runtime.adapters.protocol import Options
from kafkatrigger.runtime.adapters.registry import GROUP
from kafkatrigger.runtime.transformations.model import DataType
from kafkatrigger.runtime.transformations.wiring import from_json
from tests.support.adapters import failure, loaded, secret_of
from tests.support.docs import ROOT, blocks

PAGE = ROOT / "docs" / "adapters.md"
OPTIONS: dict[str, type[Options]] = {
    "local_file": local_file.LocalFileOptions,
    "sql": sql.SqlOptions,
    "object_store": object_store.ObjectStoreOptions,
    "rest": rest.RestOptions,
}


def sections() -> dict[str, str]:
    return {name: text for name, _, text in (each.partition("\n") for each in PAGE.read_text().split("\n## "))}


def test_each_type_has_a_section() -> None:
    assert {each.name for each in entry_points(group=GROUP)} == set(OPTIONS) <= set(sections())


@pytest.mark.parametrize("kind", OPTIONS)
def test_each_option_is_described(kind: str) -> None:
    table = sections()[kind].split("| key of the Secret |")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    described = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert described == {field.encode_name for field in msgspec.structs.fields(OPTIONS[kind])}


@pytest.mark.parametrize("kind", ["sql", "object_store", "rest"])
def test_each_key_of_a_secret_is_described(kind: str) -> None:
    folder = ROOT / "operator" / "kafkatrigger" / "runtime" / "adapters"
    code = (folder / f"{kind}.py").read_text() + ((folder / "http.py").read_text() if kind == "rest" else "")
    keys = set(re.findall(r"secret\(secrets, [\"']([\w.]+)[\"']", code))
    assert keys
    assert all(f"`{key}`" in sections()[kind].split("| key of the Secret |")[1] for key in keys)


def test_the_wiring_is_one() -> None:
    (shown,) = blocks(PAGE, "json")
    wiring = from_json(msgspec.json.decode(shown.text))
    assert [each.is_direct for each in wiring.input_wirings] == [False, True]


def test_the_adapter_of_ones_own_works(tmp_path: Path) -> None:
    program: dict[str, Any] = {"__name__": "my_adapters"}
    (shown,) = blocks(PAGE, "python")
    exec(shown.text, program)  # noqa: S102 - our own document
    secrets = secret_of(tmp_path / "secret", token="t0ken")  # noqa: S106 - of this test alone
    adapter = Kept(program["ConstantsAdapter"], {"constants": {"pi": 3.14}}, secrets)
    assert loaded(adapter, "pi", DataType.FLOAT) == 3.14
    assert str(failure(adapter, "t0ken")) == "there is no constant '***': add it to the option constants"
