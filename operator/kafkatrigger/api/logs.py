"""Log records as single lines on standard error: text for people, JSON where KAFKATRIGGER_LOG_FORMAT=json.

KAFKATRIGGER_LOG_LEVEL sets the level (INFO). Nothing here ever logs what is in a message.
"""

import logging
import os
import sys
import time
from typing import Any

import orjson

FORMAT_VARIABLE = "KAFKATRIGGER_LOG_FORMAT"
LEVEL_VARIABLE = "KAFKATRIGGER_LOG_LEVEL"

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure() -> None:
    """Sets up the root logger: for our records, and in a runtime for those of the user's code."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if os.environ.get(FORMAT_VARIABLE) == "json" else TextLines())
    level = os.environ.get(LEVEL_VARIABLE, "INFO").upper()
    logging.basicConfig(level=level if level in logging.getLevelNamesMapping() else "INFO", handlers=[handler])


class JsonLines(logging.Formatter):
    """One JSON object for each record; what was passed as `extra` becomes fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class TextLines(logging.Formatter):
    """`time LEVEL logger: message key=value ...`, with a traceback below where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {name}={value}" for name, value in _extra(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}{facts}".replace("\n", "\\n")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}
