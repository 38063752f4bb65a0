"""Log lines for machines and for people."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from kafkatrigger import Message
from kafkatrigger.api import logs
from kafkatrigger.api.logs import JsonLines, TextLines

OPERATOR = Path(__file__).parents[3] / "operator"
TALKS = """
import logging, time
from kafkatrigger.api import logs

logs.configure()
logs.follow_level()
while True:
    logging.debug("details")
    time.sleep(0.02)
"""


def record(message: str, **values: Any) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"msg": message, "name": "n", "levelname": "INFO", "created": 0.25, "msecs": 250, **values}
    )


def test_json() -> None:
    line = json.loads(JsonLines().format(record("two\nlines", topic="t", offset=3)))
    assert line == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "INFO",
        "logger": "n",
        "message": "two\nlines",
        "topic": "t",
        "offset": 3,
    }


def test_text_is_one_line() -> None:
    line = TextLines().format(record("two\nlines", topic="t", offset=3))
    assert line == "1970-01-01T00:00:00.250Z INFO n: two\\nlines topic=t offset=3"


def test_tracebacks_are_kept() -> None:
    try:
        raise ValueError("no")
    except ValueError:
        failed = record("it failed", exc_info=sys.exc_info())
    assert "ValueError: no" in json.loads(JsonLines().format(failed))["exception"]
    assert TextLines().format(failed).endswith("ValueError: no")


def test_a_messages_logger_names_the_message() -> None:
    facts = Message(1, topic="t", partition=2, offset=3).logger.extra
    assert facts == {"topic": "t", "partition": 2, "offset": 3}


def test_every_line_names_the_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_subject", {})
    logs.speak_of("plant-7/rul")
    line = json.loads(JsonLines().format(record("m", offset=3)))
    assert [line[name] for name in ("namespace", "trigger", "offset")] == ["plant-7", "rul", 3]
    assert TextLines().format(record("m")).endswith(": m namespace=plant-7 trigger=rul")


def wait_for(lines: IO[str], words: str) -> None:
    """The next line with these words; the test's time limit is the deadline."""
    assert next(line for line in lines if words in line)


def test_the_level_is_what_a_file_says_as_long_as_it_says_something(tmp_path: Path) -> None:
    path = tmp_path / "level"
    environment = {**os.environ, "PYTHONPATH": str(OPERATOR), logs.LEVEL_FILE_VARIABLE: str(path)}
    with subprocess.Popen([sys.executable, "-c", TALKS], stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr
        try:
            path.write_text("debug")
            wait_for(process.stderr, "the log level is DEBUG")
            wait_for(process.stderr, "details")
            path.write_text("loud")
            wait_for(process.stderr, "'loud', which is no level: use one of DEBUG, INFO")
            path.write_text("")
            assert "the log level is as usual again" in process.stderr.readline(), "not a word of details in between"
        finally:
            process.kill()
