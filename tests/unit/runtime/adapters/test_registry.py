"""Making adapters: options, secrets, entry points; and what becomes of them when a secret changes."""

import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from kafkatrigger.api.adapters import AdapterSettings
from kafkatrigger.runtime.adapters import registry
from kafkatrigger.runtime.adapters.kept import Kept
from kafkatrigger.runtime.adapters.protocol import AdapterError, Options, Wired, options_of, secret
from kafkatrigger.runtime.adapters.registry import make_all
from kafkatrigger.runtime.transformations.model import DataType
from tests.support.adapters import loaded, made, refused, secret_of, wired

CANARY = "c4n4ry-p4ssword"


class Telling:
    """Tells its secret, and what became of it."""

    def __init__(self, options: Mapping[str, Any], secrets: Path) -> None:
        options_of(options, Options)
        self.word = secret(secrets, "word")
        self.is_closed = False

    def load(self, wired: Wired, kind: DataType) -> Any:  # noqa: ARG002
        if wired.ref_id == "fail":
            raise AdapterError(f"it fails with {self.word}", retriable=True)
        return self

    def send(self, wired: Wired, kind: DataType, value: Any) -> None:  # noqa: ARG002
        value(self)

    def close(self) -> None:
        self.is_closed = True


def test_all_types_are_entry_points() -> None:
    assert metadata.entry_points(group=registry.GROUP).names == {"local_file", "object_store", "rest", "sql"}


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        (
            "ftp",
            {},
            "the adapter 'mine' (ftp): there is no such type here: there are local_file, object_store, rest, sql",
        ),
        ("local_file", {"folder": "/"}, "unknown field `folder`; the options are folders, writableFolders"),
        ("local_file", {}, "it may reach nothing: name folders in folders or writableFolders"),
        ("local_file", {"folders": ["relative"]}, "option folders: 'relative' is no folder here"),
        ("sql", {"tables": "all"}, "Expected `array`, got `str` - at `$.tables`"),
        ("sql", {"tables": ["a"]}, "its secret has no readable key 'url': add it to the Secret that the trigger names"),
        ("sql", {}, "it may reach nothing"),
        ("object_store", {"buckets": ["a"]}, "its secret has no readable key 'accessKeyId'"),
        ("object_store", {"buckets": ["a"], "endpoint": "http://me:pw@host"}, "at `$.endpoint`"),
        ("rest", {"sources": ["*"]}, "missing required field `baseUrl`"),
        ("rest", {"sources": ["*"], "baseUrl": "http://me:pw@host/"}, "at `$.baseUrl`"),
        ("rest", {"sources": ["*"], "baseUrl": "http://host", "timeout": 0}, "at `$.timeout`"),
    ],
)
def test_what_is_wrong_with_options_is_said(kind: str, options: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(kind, **options)


@pytest.mark.parametrize(
    "url", [f"nothing {CANARY}", f"postgresql://u:{CANARY}@h:port/db", f"nodialect://u:{CANARY}@h/db"]
)
def test_a_url_that_is_none_is_not_shown(tmp_path: Path, url: str) -> None:
    sentence = refused("sql", secret_of(tmp_path / "secret", url=url), tables=["a"])
    assert "url" in sentence.lower()
    assert CANARY not in sentence


def test_a_driver_that_is_not_there_is_named(tmp_path: Path) -> None:
    secrets = secret_of(tmp_path / "secret", url=f"oracle+oracledb://u:{CANARY}@host/db")
    assert "the driver oracledb of its URL is not installed here" in refused("sql", secrets, tables=["a"])


def test_packages_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata.EntryPoint, "load", lambda _: __import__("nowhere_to_be_found"))
    assert "it needs nowhere_to_be_found, which is not installed here" in refused("sql", tables=["a"])


def installed(folder: Path, name: str, point: str) -> None:
    """A package as pip installs it, with one entry point."""
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{point}\n")


def test_other_packages_bring_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    installed(tmp_path, "constants", "constants = adapters_of_others:Constants")
    (tmp_path / "adapters_of_others.py").write_text(
        "class Constants:\n"
        "    def __init__(self, options, secrets):\n        self.options = options\n"
        "    def load(self, wired, kind):\n        return self.options[wired.ref_id]\n"
    )
    assert loaded(made("constants", pi=3.14), "pi", DataType.FLOAT) == 3.14


def test_a_type_that_two_packages_bring_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes the place of another by its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    installed(tmp_path, "intruder", "sql = intruder:Adapter")
    sentence = refused("sql", tables=["a"])
    assert "several packages register this type, " in sentence
    assert "intruder:Adapter" in sentence


def test_names_are_unique_and_nothing_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_ones: list[Telling] = []

    def telling(options: Mapping[str, Any], secrets: Path) -> Telling:
        made_ones.append(Telling(options, secrets))
        return made_ones[-1]

    monkeypatch.setattr(registry, "_factory", lambda _: telling)
    folder = secret_of(tmp_path / "secret", word="a word")
    with pytest.raises(AdapterError, match="two adapters are called 'a': rename one"):
        make_all([AdapterSettings("a", "x"), AdapterSettings("a", "x")], lambda _: folder)
    assert [each.is_closed for each in made_ones] == [True]


def telling(folder: Path) -> Kept:
    return Kept(Telling, {}, folder)


def test_a_secret_that_changed_is_used_from_the_next_call_on(tmp_path: Path) -> None:
    adapter = telling(secret_of(tmp_path / "secret", word="before"))
    first = adapter.load(wired("x"), DataType.ANY)
    assert adapter.load(wired("x"), DataType.ANY) is first
    secret_of(tmp_path / "secret", word="after it")
    second = adapter.load(wired("x"), DataType.ANY)
    assert (first.word, first.is_closed, second.word, second.is_closed) == ("before", True, "after it", False)
    adapter.close()
    assert second.is_closed


def test_it_is_found_as_the_kubelet_replaces_it(tmp_path: Path) -> None:
    """The keys are links into a folder that is a link, which is replaced; here the text is of the same length."""
    folder = tmp_path / "secret"
    folder.mkdir()
    for number, word in enumerate(("word one", "word two")):
        secret_of(tmp_path / "secret" / f"..{number}", word=word)
    (folder / "..data").symlink_to("..0")
    (folder / "word").symlink_to("..data/word")
    adapter = telling(folder)
    (folder / "..tmp").symlink_to("..1")
    (folder / "..tmp").replace(folder / "..data")
    shutil.rmtree(folder / "..0")
    assert adapter.load(wired("x"), DataType.ANY).word == "word two"


def test_who_is_at_work_is_not_closed(tmp_path: Path) -> None:
    adapter = telling(secret_of(tmp_path / "secret", word="before"))
    seen: list[Telling] = []

    def change(first: Telling) -> None:
        secret_of(tmp_path / "secret", word="after it")
        assert adapter.load(wired("x"), DataType.ANY) is not first
        assert not first.is_closed
        seen.append(first)

    adapter.send(wired("x"), DataType.ANY, change)
    assert seen[0].is_closed


def test_a_secret_that_became_wrong_is_said_until_it_is_right(tmp_path: Path) -> None:
    adapter = telling(secret_of(tmp_path / "secret", word="before"))
    (tmp_path / "secret" / "word").unlink()
    with pytest.raises(AdapterError, match="no readable key 'word'"):
        adapter.load(wired("x"), DataType.ANY)
    secret_of(tmp_path / "secret", word="after it")
    assert adapter.load(wired("x"), DataType.ANY).word == "after it"


@pytest.mark.parametrize("text", [CANARY, f"postgresql://someone:{CANARY}@host/db"])
def test_no_error_tells_a_secret(tmp_path: Path, text: str) -> None:
    adapter = telling(secret_of(tmp_path / "secret", word=text))
    with pytest.raises(AdapterError) as caught:
        adapter.load(wired("fail"), DataType.ANY)
    assert str(caught.value) == "it fails with ***"
    assert caught.value.retriable
    assert caught.value.__cause__ is None
    adapter = telling(secret_of(tmp_path / "secret", word=CANARY, url="https://a:p%40ssw0rd@host"))
    assert "p@ssw0rd" in adapter._current.credentials


def test_a_file_is_loaded_through_it(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("5")
    assert loaded(made("local_file", folders=[str(tmp_path)]), "x.json", DataType.INT) == 5
