"""Running a transformation for one wiring."""

import asyncio
import inspect
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from kafkatrigger.runtime.adapters.protocol import Adapter
from kafkatrigger.runtime.errors import bounded, kind_of, text_of
from kafkatrigger.runtime.transformations import provisioning
from kafkatrigger.runtime.transformations.data import parse
from kafkatrigger.runtime.transformations.hdutils import plots_are_wanted
from kafkatrigger.runtime.transformations.model import Revision
from kafkatrigger.runtime.transformations.plan import Plan, Step, plan
from kafkatrigger.runtime.transformations.problems import (
    ComponentFailed,
    InvalidData,
    InvalidTransformation,
    TransformationError,
)
from kafkatrigger.runtime.transformations.response import Clock, Measured, Response, failure, success
from kafkatrigger.runtime.transformations.results import encode
from kafkatrigger.runtime.transformations.wiring import Wiring, direct_values

_NEVER_CAUGHT = (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)
"""They end the run, and not the component alone."""
_NONE: Mapping[str, Adapter] = {}


class Library:
    """Revisions that can be run, and the plans of those that were."""

    def __init__(self, revisions: Iterable[Revision]) -> None:
        self._revisions = {each.id: each for each in revisions}
        self._plans: dict[str, Plan] = {}

    def plan(self, identity: str) -> Plan:
        """The plan of a revision, made when it is first asked for; InvalidTransformation."""
        if identity not in self._plans:
            if identity not in self._revisions:
                raise InvalidTransformation(f"there is no transformation {identity}")
            self._plans[identity] = plan(self._revisions[identity], self._revisions)
        return self._plans[identity]

    async def run(
        self,
        identity: str,
        wiring: Wiring | None = None,
        *,
        adapters: Mapping[str, Adapter] = _NONE,
        job_id: str = "",
        run_pure_plot_operators: bool = False,
    ) -> Response:
        """Runs a revision, with its test wiring unless one is given. Whatever is wrong is in the response.

        Adapters are given by the names that wirings call them.
        """
        run = _Run(adapters, job_id, run_pure_plot_operators)
        try:
            return await run.response(self, identity, wiring)
        except TransformationError as error:
            return run.failed(error)


class _Run:
    """One run, which measures itself."""

    def __init__(self, adapters: Mapping[str, Adapter], job_id: str, run_pure_plot_operators: bool) -> None:
        self._adapters = adapters
        self._job_id = job_id
        self._run_pure_plot_operators = run_pure_plot_operators
        self._clock = Clock()
        self._measured: dict[str, Measured] = {}
        self._operators: list[Measured] = []

    async def response(self, library: Library, identity: str, wiring: Wiring | None) -> Response:
        plots_are_wanted.set(self._run_pure_plot_operators)
        with self._measuring("prepare_execution_input"):
            plan = library.plan(identity)
        with self._measuring("run_execution_input"):
            with self._measuring("load_data"):
                wiring = plan.revision.test_wiring if wiring is None else wiring
                sent = provisioning.outputs(plan, wiring, self._adapters)
                values = await _values(plan, wiring, self._adapters)
            with self._measuring("pure_execution"):
                for step in plan.steps:
                    await self._step(step, values)
            with self._measuring("send_data"):
                outputs = {name: _encoded(plan, name, values) for name in plan.outputs if name not in sent}
                await provisioning.send(sent, {name: values[plan.outputs[name][0]] for name in sent})
        types = {name: str(kind) for name, (_, kind) in plan.outputs.items()}
        return success(self._job_id, outputs, types, self._all_measured(), self._operators)

    def failed(self, error: TransformationError) -> Response:
        return failure(error, self._job_id, self._all_measured(), self._operators)

    async def _step(self, step: Step, values: list[Any]) -> None:
        if step.is_pure_plot and not self._run_pure_plot_operators:
            for _, slot in step.outputs:
                values[slot] = {}
            return
        began = time.perf_counter()
        try:
            returned = await _call(step, values)
        finally:
            name = " > ".join(step.operator.hierarchy_in_workflow.by_name)
            self._operators.append(self._clock.since(name, began))
        for name, slot in step.outputs:
            values[slot] = returned[name]

    @contextmanager
    def _measuring(self, name: str) -> Any:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._measured[name] = self._clock.since(name, began)

    def _all_measured(self) -> Mapping[str, Measured]:
        """With those that are, here, others under another name: the runtime is no service of its own."""
        whole = self._clock.since("internal_full", self._clock.start)
        service = self._measured.get("run_execution_input")
        extra = (
            {"runtime_service_handling": msgspec.structs.replace(service, name="runtime_service_handling")}
            if service
            else {}
        )
        return {"internal_full": whole, **self._measured, **extra}


async def _values(plan: Plan, wiring: Wiring, adapters: Mapping[str, Adapter]) -> list[Any]:
    """The slots with inputs and constants in them."""
    required = {name: not wanted.is_optional for name, (_, wanted) in plan.inputs.items()}
    given: dict[str, Any] = {**direct_values(wiring, required, plan.outputs)}
    given |= await provisioning.load(provisioning.inputs(plan, wiring, adapters))
    values: list[Any] = [None] * plan.slots
    for constant in plan.constants:
        values[constant.slot] = constant.fresh()
    for name, (slot, wanted) in plan.inputs.items():
        try:
            values[slot] = parse(wanted.type, given.get(name, wanted.default), is_nullable=wanted.is_optional)
        except InvalidData as error:
            raise InvalidData(f"the input {name!r}: {error}") from None
    return values


async def _call(step: Step, values: list[Any]) -> Mapping[str, Any]:
    """What the component returns; ComponentFailed."""
    arguments = {name: values[slot] for name, slot in step.inputs}
    process = os.getpid()
    try:
        returned = step.main(**arguments)
        if inspect.isawaitable(returned):
            returned = await returned
    except _NEVER_CAUGHT:
        raise
    except BaseException as error:
        raise ComponentFailed(bounded(text_of(error)), step.operator) from error
    finally:
        if os.getpid() != process:
            os._exit(1)  # a child that the component forked: the run is its parent's
    return _checked(step, returned)


def _checked(step: Step, returned: Any) -> Mapping[str, Any]:
    """What was returned, with all outputs in it."""
    if not step.outputs:
        return {}
    if not isinstance(returned, Mapping):
        raise ComponentFailed(f"it returned {kind_of(returned)}: return a dict of its outputs", step.operator)
    if missing := [name for name, _ in step.outputs if name not in returned]:
        raise ComponentFailed(f"it returned no {', '.join(map(repr, missing))}: return all its outputs", step.operator)
    return returned


def _encoded(plan: Plan, name: str, values: list[Any]) -> bytes:
    slot, kind = plan.outputs[name]
    try:
        return encode(kind, values[slot])
    except InvalidData as error:
        raise InvalidData(f"the output {name!r}: {error}", error.stage) from None
