"""What a run is to the consumer: a response and records, or an attempt that failed and is retried or given up."""

from collections.abc import Mapping

from kafkatrigger.api.frames import Failed, Outcome, Output, Outputs
from kafkatrigger.runtime.errors import AttemptFailed, bounded, class_name
from kafkatrigger.runtime.function import Permanent, Retriable
from kafkatrigger.runtime.serving.message_values import records
from kafkatrigger.runtime.transformations.code import MODULES, place
from kafkatrigger.runtime.transformations.execution import Attempt
from kafkatrigger.runtime.transformations.problems import ComponentFailed, Stage, TransformationError


def attempt_failed(error: TransformationError) -> AttemptFailed:
    """The exception that says of an attempt what the response would say of the run."""
    cause = error.__cause__
    is_result = error.stage is Stage.ENCODING_RESULTS_TO_JSON
    failure = Failed(
        "InvalidResult" if is_result else "FunctionFailed",
        _class_of(cause) if cause else type(error).__name__,
        bounded(f"{bounded(str(error), 800)}{_where(error)}"),
        _is_permanent(error),
    )
    failed = AttemptFailed(failure)
    failed.__cause__ = error
    return failed.with_traceback(cause.__traceback__ if cause else None)


def is_retriable(error: TransformationError) -> bool:
    """Whether an adapter or a component said that another attempt may go well."""
    return error.retriable or isinstance(error.__cause__, Retriable)


def _is_permanent(error: TransformationError) -> bool:
    """Components are retried unless they say it is no use; what is wrong with wirings and data stays wrong."""
    if isinstance(error, ComponentFailed):
        return isinstance(error.__cause__, Permanent)
    return not error.retriable


def _class_of(cause: BaseException) -> str:
    """With its module, unless that is a component."""
    name = class_name(cause)
    return name.rpartition(".")[2] if name.startswith(MODULES) else name


def _where(error: TransformationError) -> str:
    """The way to the operator, file, function and line, as far as they are known."""
    parts = [" > ".join(error.operator.hierarchy_in_workflow.by_name)] if error.operator else []
    if error.__cause__ and (found := place(error.__cause__)):
        parts += [found["file"], found["function_name"] or "", f"line {found['line_number']}"]
    return f" ({', '.join(filter(None, parts))})" if parts else ""


def answer(identity: str, attempt: Attempt, topics: Mapping[str, str]) -> Outcome:
    """The response to a run of this transformation, and behind it the records of outputs that go to topics."""
    response = attempt.response
    if not attempt.apart:
        return response.json()
    types = response.output_types_by_output_name
    return Outputs([Output(response.json()), *records(identity, response.job_id, topics, attempt.apart, types)])
