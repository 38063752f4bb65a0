"""What became of a run, as JSON. The order of the keys is hetida designer's."""

import os
import time
import traceback as python_traceback
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from kafkatrigger.runtime.errors import bounded, text_of
from kafkatrigger.runtime.transformations.code import is_components, place
from kafkatrigger.runtime.transformations.hdutils import ComponentException
from kafkatrigger.runtime.transformations.problems import OperatorInfo, TransformationError
from kafkatrigger.runtime.transformations.results import plain

TRACEBACK_LIMIT = 20_000
"""Characters."""


class Measured(msgspec.Struct, frozen=True):
    """When something was done; `duration` in seconds."""

    name: str
    start: datetime
    end: datetime
    duration: float


class Clock:
    """Measures steps, by a clock that nobody sets."""

    def __init__(self) -> None:
        self._zero = time.time() - time.perf_counter()
        self.start = time.perf_counter()

    def measured(self, name: str, start: float, end: float) -> Measured:
        """A step from `start` until `end`; both by time.perf_counter()."""
        return Measured(name, self._moment(start), self._moment(end), end - start)

    def _moment(self, moment: float) -> datetime:
        return datetime.fromtimestamp(self._zero + moment, UTC)


class ErrorInfo(msgspec.Struct, frozen=True):
    """What failed and where."""

    type: str
    error_code: Any
    message: str
    extra_information: Any
    process_stage: str
    operator_info: OperatorInfo | None
    location: Mapping[str, Any] | None


class Response(msgspec.Struct, frozen=True):
    """The answer to one request."""

    error: ErrorInfo | None
    output_results_by_output_name: Mapping[str, msgspec.Raw]
    traceback: str | None
    job_id: str
    measured_steps: Mapping[str, Measured]
    result: str
    output_types_by_output_name: Mapping[str, str]
    process_id: str
    node_results: list[Measured]
    """How long each operator took; names of operators, from the outermost workflow down, are joined by ` > `."""

    @property
    def is_ok(self) -> bool:
        """Whether all outputs are there."""
        return self.error is None

    def json(self) -> bytes:
        """The response as it is sent."""
        return msgspec.json.encode(self)


def success(
    job_id: str,
    outputs: Mapping[str, bytes],
    types: Mapping[str, str],
    measured: Mapping[str, Measured],
    operators: list[Measured],
) -> Response:
    """All outputs, each as its JSON."""
    results = {name: msgspec.Raw(content) for name, content in outputs.items()}
    return Response(None, results, None, job_id or _new_id(), measured, "ok", types, _process(), operators)


def failure(
    error: TransformationError, job_id: str, measured: Mapping[str, Measured], operators: list[Measured]
) -> Response:
    """Why there are no outputs."""
    cause = error.__cause__
    said = cause if isinstance(cause, ComponentException) else None
    info = ErrorInfo(
        type=type(cause or error).__name__,
        error_code=plain(said.error_code) if said else None,
        message=bounded(str(error)),
        extra_information=plain(said.extra_information) if said else None,
        process_stage=error.stage,
        operator_info=error.operator,
        location=place(cause) if cause else None,
    )
    text = _traceback(cause) if cause else None
    return Response(info, {}, text, job_id or _new_id(), measured, "failure", {}, _process(), operators)


def _traceback(error: BaseException) -> str:
    """From the first frame of a component on; what called it is ours."""
    first = error.__traceback__
    while first is not None and not is_components(first):
        first = first.tb_next
    try:
        lines = python_traceback.format_exception(type(error), error, first or error.__traceback__)
    except Exception:  # noqa: BLE001 - the exception is the component's, and so is its __str__
        return text_of(error)
    return bounded("".join(lines), TRACEBACK_LIMIT)


def _new_id() -> str:
    return str(uuid.uuid4())


def _process() -> str:
    return str(os.getpid())
