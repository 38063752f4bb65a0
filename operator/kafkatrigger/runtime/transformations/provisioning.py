"""Inputs of a run that adapters load, and outputs that they send: all of a run at the same time, each on a thread.

A run that has none of these starts no thread. What is wrong with a wiring is said before anything is loaded.
"""

import asyncio
import traceback
from collections.abc import Callable, Container, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from kafkatrigger.runtime.adapters.external import parse_type, type_for
from kafkatrigger.runtime.adapters.protocol import Adapter, AdapterError, Wired
from kafkatrigger.runtime.errors import bounded
from kafkatrigger.runtime.transformations.model import DataType
from kafkatrigger.runtime.transformations.plan import Plan
from kafkatrigger.runtime.transformations.problems import AdapterFailed, InvalidData, InvalidWiring, Stage
from kafkatrigger.runtime.transformations.results import of_its_type
from kafkatrigger.runtime.transformations.wiring import DIRECT, Wiring
from kafkatrigger.runtime.transformations.wiring import Wired as Given

Adapters = Mapping[str, Adapter]


class Provision(msgspec.Struct, frozen=True):
    """An input or output, and the adapter that it is wired to."""

    title: str
    """`the input 'x'`."""
    adapter_id: str
    adapter: Any
    wired: Wired
    kind: DataType


Provisions = Mapping[str, Provision]
"""By the name of the input or output."""


def inputs(plan: Plan, wiring: Wiring, adapters: Adapters, others: Container[str] = ()) -> Provisions:
    """The inputs that adapters load, but for others; InvalidWiring."""
    return {
        each.workflow_input_name: _provision(f"the input {each.workflow_input_name!r}", each, wanted.type, adapters)
        for each in wiring.input_wirings
        if not each.is_direct and not each.use_default_value and each.workflow_input_name not in others
        for _, wanted in [plan.inputs[each.workflow_input_name]]
    }


def outputs(plan: Plan, wiring: Wiring, adapters: Adapters, others: Container[str] = ()) -> Provisions:
    """The outputs that adapters send, but for others; InvalidWiring. Those that are not there are left to the check of names."""
    return {
        each.workflow_output_name: _provision(f"the output {each.workflow_output_name!r}", each, kind, adapters)
        for each in wiring.output_wirings
        if not each.is_direct and each.workflow_output_name in plan.outputs and each.workflow_output_name not in others
        for _, kind in [plan.outputs[each.workflow_output_name]]
    }


def _provision(title: str, given: Given, kind: DataType, adapters: Adapters) -> Provision:
    identity = str(given.adapter_id)
    if identity not in adapters:
        there = ", ".join(map(repr, (*adapters, DIRECT)))
        raise InvalidWiring(f"{title} is wired to the adapter {identity!r}, which is not there: there are {there}")
    if not given.ref_id:
        raise InvalidWiring(f"{title} is wired to the adapter {identity!r} without a ref_id: set it")
    try:
        external = parse_type(given.type) if given.type else type_for(kind)
    except ValueError as error:
        raise InvalidWiring(f"{title}: {error}") from None
    if not external.fits(kind):
        raise InvalidWiring(f"{title} is of type {kind}, and is wired to {external}: correct the type of the wiring")
    filters = {name: text or "" for name, text in given.filters.items()}
    wired = Wired(given.ref_id, external, given.ref_id_type or "", given.ref_key or "", filters)
    return Provision(title, identity, adapters[identity], wired, kind)


async def load(provisions: Provisions) -> dict[str, Any]:
    """The values by name; AdapterFailed."""
    calls = {name: _Call(each, Stage.LOADING_DATA_FROM_ADAPTERS) for name, each in provisions.items()}
    return await _all({name: asyncio.to_thread(call.load) for name, call in calls.items()})


async def send(provisions: Provisions, values: Mapping[str, Any]) -> None:
    """Sends the values, by name; AdapterFailed."""
    calls = {name: _Call(each, Stage.SENDING_DATA_TO_ADAPTERS) for name, each in provisions.items()}
    await _all({name: asyncio.to_thread(call.send, values[name]) for name, call in calls.items()})


async def _all(calls: Mapping[str, Coroutine[Any, Any, Any]]) -> dict[str, Any]:
    """What they return, when all are done: a retry may not meet one that still runs. What no retry mends comes first."""
    if not calls:
        return {}
    results = await asyncio.gather(*calls.values(), return_exceptions=True)
    errors = [each for each in results if isinstance(each, BaseException)]
    if errors:
        raise next((each for each in errors if not getattr(each, "retriable", False)), errors[0])
    return dict(zip(calls, results, strict=True))


class _Call:
    """An adapter at work, on a thread."""

    def __init__(self, provision: Provision, stage: Stage) -> None:
        self._provision = provision
        self._stage = stage

    def load(self) -> Any:
        adapter, wired, kind = self._provision.adapter, self._provision.wired, self._provision.kind
        return self._tried(lambda: adapter.load(wired, kind))

    def send(self, value: Any) -> None:
        adapter, wired, kind = self._provision.adapter, self._provision.wired, self._provision.kind
        self._tried(lambda: adapter.send(wired, kind, of_its_type(kind, value)))

    def _tried(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except AdapterError as error:
            raise self._failed(str(error), retriable=error.retriable) from None
        except InvalidData as error:
            raise self._failed(str(error)) from None
        except BaseException as error:  # noqa: BLE001 - the adapter's text is not shown: it may hold a credential
            raise self._failed(f"{_named(error)}: this is a fault of the adapter, mend it there") from None

    def _failed(self, problem: str, *, retriable: bool = False) -> AdapterFailed:
        of = self._provision
        where = f"{of.title}, adapter {of.adapter_id!r}, ref_id {bounded(of.wired.ref_id, 200)!r}"
        return AdapterFailed(f"{where}: {problem}", self._stage, retriable=retriable)


def _named(error: BaseException) -> str:
    """The class of an exception, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"it raised {type(error).__name__}{place}"
