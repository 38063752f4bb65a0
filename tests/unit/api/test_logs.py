"""Log lines for machines and for people."""

import json
import logging
import sys
from typing import Any

from kafkatrigger import Message
from kafkatrigger.api.logs import JsonLines, TextLines


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
