"""The answer to a request that no worker answered, or whose answer its topic refused. Pure.

Keys and their order are those of the runtime's responses.
"""

import os
import uuid
from typing import Any

import msgspec

from kafkatrigger.api.frames import Failed

LONGEST_JOB_ID = 200
"""Characters; what is longer is none, and a refused response must not be followed by one as large."""

_OF_CODE = frozenset({"FunctionFailed", "InvalidMessage", "InvalidResult", "FilterFailed"})
"""Reasons that say less than the class of the error."""


class _Request(msgspec.Struct):
    """All that is read of a request here."""

    job_id: str = ""


class _Error(msgspec.Struct):
    type: str
    error_code: Any
    message: str
    extra_information: Any
    process_stage: str
    operator_info: None
    location: None


class _Response(msgspec.Struct):
    error: _Error
    output_results_by_output_name: dict[str, Any]
    traceback: str | None
    job_id: str
    measured_steps: dict[str, Any]
    result: str
    output_types_by_output_name: dict[str, str]
    process_id: str
    node_results: list[Any]


_decoder = msgspec.json.Decoder(_Request)


def response(request: bytes | None, failed: Failed) -> bytes:
    """The failure as the document that a worker would have sent."""
    kind = failed.error_class if failed.reason in _OF_CODE else failed.reason
    error = _Error(kind, None, failed.message, None, "EXECUTING_COMPONENT_CODE", None, None)
    return msgspec.json.encode(
        _Response(error, {}, None, _job_id(request or b""), {}, "failure", {}, str(os.getpid()), [])
    )


def _job_id(request: bytes) -> str:
    """The caller's, by which it finds the answer; a new one where it gave none that can be read."""
    try:
        given = _decoder.decode(request).job_id
    except msgspec.DecodeError:
        given = ""
    return given if 0 < len(given) <= LONGEST_JOB_ID else str(uuid.uuid4())
