"""Log lines on standard error, alike in every process: text for people, JSON where a collector reads them."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

FORMAT_VARIABLE = "KAFKATRIGGER_LOG_FORMAT"
LEVEL_VARIABLE = "KAFKATRIGGER_LOG_LEVEL"

_FACTS = ("namespace", "trigger", "topic", "partition", "offset", "attempt")
"""Attributes of a log record that are written where they are set."""


def configure(environment: Mapping[str, str]) -> None:
    """Sets up the root logger by KAFKATRIGGER_LOG_FORMAT (text or json) and KAFKATRIGGER_LOG_LEVEL (default INFO)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if environment.get(FORMAT_VARIABLE) == "json" else _TextFormatter())
    logging.basicConfig(level=environment.get(LEVEL_VARIABLE, "INFO").upper(), handlers=[handler], force=True)


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in _FACTS if hasattr(record, name)}


class _TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={value}" for name, value in _facts(record).items())
        return f"{super().format(record)} {facts}".rstrip()


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
