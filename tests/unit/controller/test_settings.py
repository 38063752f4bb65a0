"""The operator's settings file."""

from pathlib import Path

import pytest

from kafkatrigger.controller.settings import SettingsError, load

GOOD = "consumer: {image: c}\nruntime: {image: r, pullPolicy: Never}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "operator.yaml"
    path.write_text(text)
    return path


def test_good(tmp_path: Path) -> None:
    found = load(write(tmp_path, GOOD + "proxy: {httpProxy: p}\nwatchNamespaces: [a]\n"))
    assert (found.runtime.pull_policy, found.proxy.http_proxy, found.watch_namespaces) == ("Never", "p", ["a"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "is not YAML"),
        ("", "consumer: Field required"),
        (GOOD + "colour: red\n", "colour: Extra inputs"),
        (GOOD + "reconcilers: 0\n", "reconcilers: Input should be greater"),
    ],
)
def test_wrong(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        load(write(tmp_path, text))


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the settings .*: No such file"):
        load(tmp_path / "nowhere.yaml")
