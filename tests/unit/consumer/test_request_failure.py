"""The consumer's failure responses are those of the runtime."""

import json
import uuid

import msgspec
import pytest

from kafkatrigger.api.frames import Failed
from kafkatrigger.consumer import request_failure
from kafkatrigger.runtime.transformations.problems import Stage, TransformationError
from kafkatrigger.runtime.transformations.response import failure

JOB = "b7f0a6ce-5fb4-45a5-8d68-5b6e6a5d1c11"
TIMEOUT = Failed("Timeout", "Timeout", "the attempt took longer than 30 s", False)


def test_a_failure_is_the_document_that_the_runtime_would_have_sent() -> None:
    error = TransformationError(TIMEOUT.message, Stage.EXECUTING_COMPONENT_CODE)
    theirs = json.loads(failure(error, JOB, {}, []).json())
    ours = json.loads(request_failure.response(b'{"wiring": null, "job_id": "%s"}' % JOB.encode(), TIMEOUT))
    assert [list(each) for each in (ours, ours["error"])] == [list(each) for each in (theirs, theirs["error"])]
    assert ours == {**theirs, "error": {**theirs["error"], "type": "Timeout"}}


@pytest.mark.parametrize(
    "request_", [b"", None, b"{", b"[]", b'{"job_id": 5}', b'{"id": "x"}', msgspec.json.encode({"job_id": "x" * 201})]
)
def test_a_request_without_a_job_that_can_be_read_gets_a_new_one(request_: bytes | None) -> None:
    uuid.UUID(json.loads(request_failure.response(request_, TIMEOUT))["job_id"])


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("OutOfMemory", "OutOfMemory"), ("ResponseTooLarge", "ResponseTooLarge"), ("FunctionFailed", "X")],
)
def test_the_type_is_the_class_where_that_says_more_than_the_reason(reason: str, kind: str) -> None:
    answer = json.loads(request_failure.response(b"{}", Failed(reason, "X", "why", False)))
    assert (answer["error"]["type"], answer["error"]["message"], answer["result"]) == (kind, "why", "failure")
