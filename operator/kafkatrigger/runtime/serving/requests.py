"""Messages that say which transformation runs. Whatever becomes of one, it gets a response."""

from collections.abc import Mapping
from typing import Any

from kafkatrigger.api.frames import Outcome
from kafkatrigger.api.transforming import Transforming
from kafkatrigger.runtime.adapters.protocol import Adapter
from kafkatrigger.runtime.function import Message
from kafkatrigger.runtime.serving.attempts import answer, attempt_failed, is_retriable
from kafkatrigger.runtime.serving.catalog import Catalog
from kafkatrigger.runtime.serving.message_values import KAFKA, check_topic, value_of
from kafkatrigger.runtime.serving.request_documents import SCHEMAS, Request, document_of, job_id_of
from kafkatrigger.runtime.transformations.execution import Bindings
from kafkatrigger.runtime.transformations.problems import InvalidRequest, TransformationError
from kafkatrigger.runtime.transformations.response import failure
from kafkatrigger.runtime.transformations.wiring import Wiring

SIDE_BY_SIDE = 32
"""Messages that wait for adapters, or for what components wait for: while one computes, the clocks of all others run."""


class RequestHandler:
    """Serves one connection, which begins without transformations."""

    concurrency = SIDE_BY_SIDE

    def __init__(self, transforming: Transforming, adapters: Mapping[str, Adapter]) -> None:
        self._read = SCHEMAS[transforming.mode]
        self._may_have_key = transforming.mode == "WorkflowExecution06"
        self._topics = transforming.topics
        self._adapters = adapters
        self._catalog = Catalog()
        self.update = self._catalog.update

    async def run(self, message: Message) -> Outcome:
        """The response, and records for topics; AttemptFailed where another attempt may go well."""
        job_id = ""
        try:
            document = document_of(message.value, may_have_key=self._may_have_key)
            job_id, is_invalid = job_id_of(document)
            if is_invalid:
                raise InvalidRequest(f"the job_id {job_id!r} is no UUID: leave it out, or send one")
            return await self._run(self._read(document), job_id)
        except TransformationError as error:
            return failure(error, job_id, {}, []).json()

    def outcome(self, result: Outcome) -> Outcome:
        """It is one already."""
        return result

    async def _run(self, request: Request, job_id: str) -> Outcome:
        library, identity = self._catalog.library, self._identity(request)
        wiring = library.plan(identity).revision.test_wiring if request.wiring is None else request.wiring
        topics = _topics(wiring, self._topics)
        attempt = await library.attempt(
            identity,
            wiring,
            Bindings(self._adapters, _values(wiring, request.document), topics),
            job_id=job_id,
            run_pure_plot_operators=request.run_pure_plot_operators,
        )
        if attempt.error is not None and is_retriable(attempt.error):
            raise attempt_failed(attempt.error)
        return answer(identity, attempt, topics)

    def _identity(self, request: Request) -> str:
        return self._catalog.by_id(request.identity) if request.identity else self._catalog.latest(request.group or "")


def _values(wiring: Wiring, document: Mapping[str, Any]) -> dict[str, Any]:
    """Of inputs that are values of the message; InvalidData."""
    return {
        each.workflow_input_name: value_of(f"the input {each.workflow_input_name!r}", document, each.filters)
        for each in wiring.input_wirings
        if each.adapter_id == KAFKA and not each.use_default_value
    }


def _topics(wiring: Wiring, allowed: tuple[str, ...]) -> dict[str, str]:
    """Of outputs that go to topics; InvalidWiring."""
    return {
        each.workflow_output_name: check_topic(f"the output {each.workflow_output_name!r}", each.ref_id, allowed)
        for each in wiring.output_wirings
        if each.adapter_id == KAFKA
    }
