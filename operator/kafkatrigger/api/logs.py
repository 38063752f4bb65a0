"""Log records as single lines on standard error: text for people, JSON where KAFKATRIGGER_LOG_FORMAT=json.

KAFKATRIGGER_LOG_LEVEL sets the level (INFO). Where KAFKATRIGGER_LOG_LEVEL_FILE names a file, the level in it wins for as
long as it has one: the kubelet writes the annotation LEVEL_ANNOTATION of a pod into it, which the operator copies from
the trigger's, so that nobody has to restart what is to be looked at. Nothing here ever logs what is in a message.
"""

import faulthandler
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import orjson

FORMAT_VARIABLE = "KAFKATRIGGER_LOG_FORMAT"
LEVEL_VARIABLE = "KAFKATRIGGER_LOG_LEVEL"
LEVEL_FILE_VARIABLE = "KAFKATRIGGER_LOG_LEVEL_FILE"
LEVEL_ANNOTATION = "kafkatrigger.dev/log-level"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

LOOK_INTERVAL = 1.0
"""Seconds between looks at the file."""

log = logging.getLogger(__name__)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_subject: dict[str, str] = {}
"""What all lines of this process are about."""


def configure() -> None:
    """Sets up the root logger: for our records, and in a runtime for those of the user's code.

    A process that native code ends leaves a traceback as well.
    """
    faulthandler.enable()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if os.environ.get(FORMAT_VARIABLE) == "json" else TextLines())
    logging.basicConfig(level=_usual_level(), handlers=[handler])


def speak_of(trigger: str) -> None:
    """Every line of this process names the trigger (namespace/name) from now on."""
    _subject["namespace"], _, _subject["trigger"] = trigger.partition("/")


def follow_level() -> None:
    """Keeps the level at what the file says, in a thread of its own; nothing where no file is named, as on a laptop."""
    if path := os.environ.get(LEVEL_FILE_VARIABLE):
        threading.Thread(target=_follow, args=(Path(path),), name="log-level", daemon=True).start()


def _follow(path: Path) -> None:
    told = ""
    while True:
        text = _content(path)
        if text != told:
            told = text
            _set_level(text)
        time.sleep(LOOK_INTERVAL)


def _content(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _set_level(text: str) -> None:
    level = text.upper()
    logging.getLogger().setLevel(level if level in LEVELS else _usual_level())
    if level and level not in LEVELS:
        log.warning("the annotation %s is %r, which is no level: use one of %s",
                    LEVEL_ANNOTATION, text, ", ".join(LEVELS))  # fmt: skip
    else:
        log.info("the log level is %s", level or "as usual again")


def _usual_level() -> str:
    level = os.environ.get(LEVEL_VARIABLE, "").upper()
    return level if level in LEVELS else "INFO"


class JsonLines(logging.Formatter):
    """One JSON object for each record; what it is about and what was passed as `extra` become fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class TextLines(logging.Formatter):
    """`time LEVEL logger: message key=value ...`, with a traceback below where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}{facts}".replace("\n", "\\n")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {**_subject, **{name: value for name, value in vars(record).items() if name not in _STANDARD}}
