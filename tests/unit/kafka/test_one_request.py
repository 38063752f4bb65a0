"""Programs that answer one request: what they cannot read is an answer as well."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

WISH = b'{"topics": []}'
LIST = b'{"command": "dlq.list", "selection": {}}'


@pytest.mark.parametrize(
    ("module", "line", "field", "said"),
    [
        ("replay", b"?", "refused", "this is no wish ("),
        ("replay", WISH, "refused", "the configuration /none/consumer.json cannot be used: "),
        ("dead_letters", b"?", "error", "this is no request ("),
        ("dead_letters", LIST, "error", "the configuration /none/consumer.json cannot be used: "),
    ],
)
def test_what_cannot_be_read_is_refused(module: str, line: bytes, field: str, said: str) -> None:
    assert _answer(module, line, Path("/none/consumer.json"))[field].startswith(said)


def test_a_configuration_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "consumer.json"
    path.write_bytes(b"{}")
    assert "missing required field" in _answer("replay", WISH, path)["refused"]


def _answer(module: str, line: bytes, config: Path) -> dict[str, str]:
    command = [sys.executable, "-m", f"kafkatrigger.kafka.{module}", "--config", str(config)]
    run = subprocess.run(
        command, input=line + b"\n", stdout=subprocess.PIPE, check=True, env={"PYTHONPATH": "operator"}
    )
    assert run.stdout.endswith(b"\n") and run.stdout.count(b"\n") == 1
    found: dict[str, str] = msgspec.json.decode(run.stdout)
    return found
