"""Running a transformation for one wiring."""

import asyncio
import inspect
import os
import time
from collections.abc import Container, Iterable, Mapping
from typing import Any

import msgspec

from kafkatrigger.runtime.adapters.protocol import Adapter
from kafkatrigger.runtime.errors import bounded, kind_of, text_of
from kafkatrigger.runtime.transformations import provisioning
from kafkatrigger.runtime.transformations.data import parse
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


class Bindings(msgspec.Struct, frozen=True):
    """What wirings lead to, beside direct provisioning."""

    adapters: Mapping[str, Adapter] = {}
    values: Mapping[str, Any] = {}
    """Of inputs that are the caller's, whatever adapter they name; UNSET is their default."""
    apart: Container[str] = ()
    """Outputs that are the caller's: they are not in the response."""


class Attempt(msgspec.Struct, frozen=True):
    """What became of a run."""

    response: Response
    apart: Mapping[str, bytes] = {}
    """The caller's outputs, as JSON."""
    error: TransformationError | None = None
    """What the response says, where it is a failure."""


class Library:
    """Revisions that can be run, and the plans of those that were."""

    def __init__(self, revisions: Iterable[Revision]) -> None:
        self._revisions: dict[str, Revision] = {}
        self._plans: dict[str, Plan] = {}
        self.update(revisions, ())

    def update(self, put: Iterable[Revision], removed: Iterable[str]) -> None:
        """Takes and removes revisions. Plans that have one of them in it are made anew when they are asked for."""
        new = {each.id: each for each in put}
        changed = {*new, *removed} - {each for each, revision in new.items() if self._revisions.get(each) == revision}
        for each in changed:
            self._revisions.pop(each, None)
        self._revisions |= new
        self._plans = {each: plan for each, plan in self._plans.items() if plan.parts.isdisjoint(changed)}

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
        bindings, plots = Bindings(adapters), run_pure_plot_operators
        return (await self.attempt(identity, wiring, bindings, job_id=job_id, run_pure_plot_operators=plots)).response

    async def attempt(
        self,
        identity: str,
        wiring: Wiring | None,
        bindings: Bindings,
        *,
        job_id: str = "",
        run_pure_plot_operators: bool = False,
    ) -> Attempt:
        """The same, for whoever has to know more than the response says."""
        run = _Run(bindings, job_id, run_pure_plot_operators)
        try:
            return await run.attempt(self, identity, wiring)
        except TransformationError as error:
            return run.failed(error)


class _Span:
    """Notes when the code within it ran; a class, for generators cost three times as much."""

    __slots__ = ("_began", "_name", "_spans")

    def __init__(self, spans: dict[str, tuple[float, float]], name: str) -> None:
        self._spans = spans
        self._name = name

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._spans[self._name] = (self._began, time.perf_counter())


class _Run:
    """One run, which measures itself."""

    def __init__(self, bindings: Bindings, job_id: str, run_pure_plot_operators: bool) -> None:
        self._bindings = bindings
        self._job_id = job_id
        self._run_pure_plot_operators = run_pure_plot_operators
        self._clock = Clock()
        self._spans: dict[str, tuple[float, float]] = {}
        self._operators: list[Measured] = []

    async def attempt(self, library: Library, identity: str, wiring: Wiring | None) -> Attempt:
        bindings = self._bindings
        with _Span(self._spans, "prepare_execution_input"):
            plan = library.plan(identity)
        with _Span(self._spans, "run_execution_input"):
            with _Span(self._spans, "load_data"):
                wiring = plan.revision.test_wiring if wiring is None else wiring
                sent = provisioning.outputs(plan, wiring, bindings.adapters, bindings.apart)
                values = await _values(plan, wiring, bindings)
            with _Span(self._spans, "pure_execution"):
                for step in plan.steps:
                    await self._step(step, values)
            with _Span(self._spans, "send_data"):
                outputs = {name: _encoded(plan, name, values) for name in plan.outputs if name not in sent}
                await provisioning.send(sent, {name: values[plan.outputs[name][0]] for name in sent})
        apart = {name: outputs.pop(name) for name in plan.outputs if name in bindings.apart}
        types = {name: str(kind) for name, (_, kind) in plan.outputs.items()}
        return Attempt(success(self._job_id, outputs, types, self._all_measured(), self._operators), apart)

    def failed(self, error: TransformationError) -> Attempt:
        return Attempt(failure(error, self._job_id, self._all_measured(), self._operators), error=error)

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
            self._operators.append(self._clock.measured(name, began, time.perf_counter()))
        for name, slot in step.outputs:
            values[slot] = returned[name]

    def _all_measured(self) -> Mapping[str, Measured]:
        """With one that is, here, another under another name: the runtime is no service of its own."""
        spans = {"internal_full": (self._clock.start, time.perf_counter()), **self._spans}
        if "run_execution_input" in spans:
            spans["runtime_service_handling"] = spans["run_execution_input"]
        return {name: self._clock.measured(name, *span) for name, span in spans.items()}


def check(plan: Plan, wiring: Wiring, bindings: Bindings) -> None:
    """InvalidWiring where no run with this wiring can go well."""
    _direct(plan, wiring)
    provisioning.inputs(plan, wiring, bindings.adapters, bindings.values)
    provisioning.outputs(plan, wiring, bindings.adapters, bindings.apart)


def _direct(plan: Plan, wiring: Wiring) -> dict[str, str]:
    required = {name: wanted.default is msgspec.UNSET for name, (_, wanted) in plan.inputs.items()}
    return direct_values(wiring, required, plan.outputs)


async def _values(plan: Plan, wiring: Wiring, bindings: Bindings) -> list[Any]:
    """The slots with inputs and constants in them."""
    given: dict[str, Any] = {**_direct(plan, wiring), **bindings.values}
    given |= await provisioning.load(provisioning.inputs(plan, wiring, bindings.adapters, bindings.values))
    values: list[Any] = [None] * plan.slots
    for constant in plan.constants:
        values[constant.slot] = constant.fresh()
    for name, (slot, wanted) in plan.inputs.items():
        try:
            value = given.get(name, msgspec.UNSET)
            values[slot] = parse(wanted.type, wanted.default if value is msgspec.UNSET else value)
        except InvalidData as error:
            raise InvalidData(f"the input {name!r}: {error}") from None
    return values


async def _call(step: Step, values: list[Any]) -> Mapping[str, Any]:
    """What the component returns; ComponentFailed."""
    arguments = {name: values[slot] for name, slot in step.inputs}
    process = os.getpid()
    try:
        returned = step.main(**arguments)
        if type(returned) is not dict and inspect.isawaitable(returned):
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
    if type(returned) is not dict and not isinstance(returned, Mapping):
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
