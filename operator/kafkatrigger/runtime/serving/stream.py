"""One transformation for every message, wired as the trigger says."""

import inspect
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kafkatrigger.api.frames import FrameError, Outcome, Revisions
from kafkatrigger.api.transforming import Transforming, WiredInput, WiredOutput
from kafkatrigger.runtime.adapters.protocol import Adapter
from kafkatrigger.runtime.function import Message
from kafkatrigger.runtime.serving.attempts import answer, attempt_failed
from kafkatrigger.runtime.serving.expressions import compiled, facts
from kafkatrigger.runtime.serving.message_values import KAFKA, check_topic, job_id_of, value_of
from kafkatrigger.runtime.serving.requests import SIDE_BY_SIDE
from kafkatrigger.runtime.transformations.data import parse
from kafkatrigger.runtime.transformations.execution import Bindings, Library, check
from kafkatrigger.runtime.transformations.model import DataType, Input, Revision, from_json
from kafkatrigger.runtime.transformations.plan import Plan
from kafkatrigger.runtime.transformations.problems import InvalidData, InvalidTransformation, InvalidWiring
from kafkatrigger.runtime.transformations.wiring import DIRECT, InputWiring, OutputWiring, Wiring

JOBS = uuid.UUID("5f0d4f0e-7d2b-5f1c-9a4e-0f6b8f6d1c3a")
"""Ids of jobs are made of it and the ids of messages: the same at every attempt."""
Find = Callable[[Mapping[str, Any]], Any]
"""From what expressions look into to the value of an input; UNSET is its default. InvalidData."""


class StreamHandler:
    """Serves every connection: what it holds never changes."""

    def __init__(self, transforming: Transforming, specs: list[bytes], adapters: Mapping[str, Adapter]) -> None:
        """TransformationError where the transformation cannot run, or not with this wiring."""
        revisions = [_revision(spec) for spec in specs]
        if not revisions:
            raise InvalidTransformation("it did not come along")
        self._identity = revisions[0].id
        self._library = Library(revisions)
        self._adapters = adapters
        self._topics = _topics(transforming)
        plan = self._library.plan(self._identity)
        self._wiring = _wiring(transforming, self._topics)
        check(plan, self._wiring, Bindings(adapters, _served_here(transforming), self._topics))
        self._constants = {each.name: _constant(each, plan.inputs[each.name][1]) for each in _constants(transforming)}
        finds = ((each.name, _find(each, plan.inputs[each.name][1])) for each in transforming.inputs)
        self._finds = {name: find for name, find in finds if find is not None}
        self._runs_plots = any(plan.outputs[each.name][1] is DataType.PLOTLYJSON for each in transforming.outputs)
        self.concurrency = SIDE_BY_SIDE if _waits(plan, transforming) else 1

    async def run(self, message: Message) -> Outcome:
        """The response, and records for topics; AttemptFailed."""
        found = facts(message)
        try:
            values = self._constants | {name: find(found) for name, find in self._finds.items()}
        except InvalidData as error:
            raise attempt_failed(error) from None
        attempt = await self._library.attempt(
            self._identity,
            self._wiring,
            Bindings(self._adapters, values, self._topics),
            job_id=job_id_of(message.value) or str(uuid.uuid5(JOBS, message.id)),
            run_pure_plot_operators=self._runs_plots,
        )
        if attempt.error is not None:
            raise attempt_failed(attempt.error)
        return answer(self._identity, attempt, self._topics)

    def outcome(self, result: Outcome) -> Outcome:
        """It is one already."""
        return result

    def update(self, revisions: Revisions) -> None:
        """What runs comes with hello, and stays as it is."""
        raise FrameError(f"{len(revisions.put)} transformations came where one runs for every message")


def _revision(spec: bytes) -> Revision:
    try:
        return from_json(spec)
    except InvalidTransformation as error:
        raise InvalidTransformation(f"a transformation that it is made of cannot be read: {error}") from None


def _wiring(transforming: Transforming, topics: Mapping[str, str]) -> Wiring:
    """As requests have it. What this module serves is called kafka, be it an expression or a constant."""
    inputs = (
        InputWiring(
            workflow_input_name=each.name,
            adapter_id=each.adapter or KAFKA,
            use_default_value=each.use_default,
            **_details(each),
        )
        for each in transforming.inputs
    )
    outputs = (
        OutputWiring(
            workflow_output_name=each.name,
            adapter_id=KAFKA if each.name in topics else each.adapter or DIRECT,
            **_details(each),
        )
        for each in transforming.outputs
    )
    return Wiring(tuple(inputs), tuple(outputs))


def _details(wired: WiredInput | WiredOutput) -> dict[str, Any]:
    return {name: getattr(wired, name) for name in ("ref_id", "ref_id_type", "ref_key", "type", "filters")}


def _served_here(transforming: Transforming) -> dict[str, Any]:
    return {each.name: msgspec.UNSET for each in transforming.inputs if each.adapter in ("", KAFKA)}


def _topics(transforming: Transforming) -> dict[str, str]:
    """The topics of outputs, by their names; InvalidWiring."""
    allowed = {*transforming.topics, *(each.topic for each in transforming.outputs if each.topic)}
    return {
        each.name: check_topic(f"the output {each.name!r}", each.topic or each.ref_id, allowed)
        for each in transforming.outputs
        if each.topic or each.adapter == KAFKA
    }


def _constants(transforming: Transforming) -> list[WiredInput]:
    return [each for each in transforming.inputs if each.value is not msgspec.UNSET]


def _constant(wired: WiredInput, wanted: Input) -> Any:
    """The value as it is given; InvalidWiring where it is none of its type. Runs parse it, so that none has another's."""
    try:
        parse(wanted.type, wired.value)
    except InvalidData as error:
        raise InvalidWiring(f"the value of the input {wired.name!r}: {error}") from None
    return wired.value


def _find(wired: WiredInput, wanted: Input) -> Find | None:
    """What finds the value of an input in a message; None where it does not come from there. InvalidWiring."""
    title = f"the input {wired.name!r}"
    if wired.adapter == KAFKA:
        return lambda found: value_of(title, found["value"], wired.filters)
    if not wired.expression:
        return None
    search = compiled(title, wired.expression)

    def find(found: Mapping[str, Any]) -> Any:
        value = search(found)
        if value is not None:
            return value
        if wanted.default is msgspec.UNSET:
            raise InvalidData(f"{title} has no default, and {wired.expression!r} finds nothing in the message")
        return msgspec.UNSET

    return find


def _waits(plan: Plan, transforming: Transforming) -> bool:
    """Whether a run may wait for something, so that others can go on in the meantime."""
    wired = (*transforming.inputs, *transforming.outputs)
    is_async = any(inspect.iscoroutinefunction(step.main) for step in plan.steps)
    return is_async or any(each.adapter not in ("", KAFKA) for each in wired)
