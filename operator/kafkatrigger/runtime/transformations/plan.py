"""A transformation as a list of steps: nested workflows are gone, every value has a slot, everything was checked.

Slots are numbers of a list that a run fills: inputs and constants first, then what each step returns.
"""

import copy
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import msgspec

from kafkatrigger.runtime.transformations.code import CodeFailed, Main, load
from kafkatrigger.runtime.transformations.data import parse
from kafkatrigger.runtime.transformations.model import (
    Component,
    DataType,
    End,
    Input,
    Link,
    Operator,
    Revision,
    Workflow,
)
from kafkatrigger.runtime.transformations.problems import (
    Hierarchy,
    InvalidData,
    InvalidTransformation,
    OperatorInfo,
    TransformationInfo,
)

Revisions = Mapping[str, Revision]
"""By id."""
_IMMUTABLE = (type(None), bool, int, float, str)


class Step(msgspec.Struct, frozen=True):
    """A component to run."""

    operator: OperatorInfo
    main: Main
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    is_pure_plot: bool


class Constant(msgspec.Struct, frozen=True):
    """A value that is the same in every run."""

    slot: int
    value: Any

    def fresh(self) -> Any:
        """A copy where a component could change it for the runs to come."""
        return self.value if isinstance(self.value, _IMMUTABLE) else copy.deepcopy(self.value)


class Plan(msgspec.Struct, frozen=True):
    """What a run needs to know of a transformation."""

    revision: Revision
    inputs: Mapping[str, tuple[int, Input]]
    outputs: Mapping[str, tuple[int, DataType]]
    constants: tuple[Constant, ...]
    steps: tuple[Step, ...]
    slots: int
    parts: frozenset[str]
    """The ids of all revisions that it was made of."""


def plan(revision: Revision, revisions: Revisions) -> Plan:
    """How the revision runs; the others are those that its operators name. InvalidTransformation."""
    planner = _Planner(revisions)
    inputs = {each.name: (planner.slot(), each) for each in revision.inputs}
    found = planner.expand(revision, (revision,), {name: slot for name, (slot, _) in inputs.items()}, Hierarchy((), ()))
    types = {each.name: each.type for each in revision.outputs}
    outputs = {name: (slot, types[name]) for name, slot in found.items()}
    return Plan(
        revision,
        inputs,
        outputs,
        tuple(planner.constants),
        tuple(planner.steps),
        planner.slots,
        frozenset(planner.parts),
    )


class _Planner:
    def __init__(self, revisions: Revisions) -> None:
        self._revisions = revisions
        self.constants: list[Constant] = []
        self.steps: list[Step] = []
        self.slots = 0
        self.parts: set[str] = set()

    def slot(self) -> int:
        """A new one."""
        self.slots += 1
        return self.slots - 1

    def expand(
        self, revision: Revision, way: tuple[Revision, ...], given: Mapping[str, int], hierarchy: Hierarchy
    ) -> Mapping[str, int]:
        """Adds the steps of a revision whose inputs are in these slots; the slots of its outputs.

        `way` are the revisions from the outermost one to this one, `hierarchy` are the operators.
        """
        self.parts.add(revision.id)
        if revision.component is not None:
            return self._component(revision, revision.component, way, given, hierarchy)
        assert revision.workflow is not None  # noqa: S101 - the model says so
        graph = _Graph(revision, revision.workflow, self._revisions)
        slots = {End(name): slot for name, slot in given.items()}
        for operator in graph.order():
            inner = graph.revision_of(operator)
            if inner in way:
                raise InvalidTransformation(f"{_titles(way)}: it contains itself, by its operator {operator.name!r}")
            below = Hierarchy((*hierarchy.by_name, operator.name), (*hierarchy.by_id, operator.id))
            fed = {each.name: self._fed(graph, operator, each, slots) for each in inner.inputs}
            found = self.expand(inner, (*way, inner), fed, below)
            slots |= {End(name, operator.id): slot for name, slot in found.items()}
        return {each.name: slots[graph.start_of(End(each.name))] for each in revision.outputs}

    def _fed(self, graph: "_Graph", operator: Operator, wanted: Input, slots: Mapping[End, int]) -> int:
        """The slot of an operator's input: a link's, a constant's, or its default's."""
        end = End(wanted.name, operator.id)
        if end in graph.sources:
            return slots[graph.sources[end]]
        value = graph.constants.get(end, wanted.default)
        if value is msgspec.UNSET:
            raise graph.invalid(
                f"the input {wanted.name!r} of the operator {operator.name!r} is required, and no link ends there"
            )
        try:
            constant = Constant(self.slot(), parse(wanted.type, value))
        except InvalidData as error:
            raise graph.invalid(f"the constant or default of {wanted.name!r} of {operator.name!r}: {error}") from None
        self.constants.append(constant)
        return constant.slot

    def _component(
        self,
        revision: Revision,
        component: Component,
        way: tuple[Revision, ...],
        given: Mapping[str, int],
        hierarchy: Hierarchy,
    ) -> Mapping[str, int]:
        root = way[0]
        names = Hierarchy((root.name, *hierarchy.by_name), (root.id, *hierarchy.by_id))
        kind = TransformationInfo(revision.id, revision.name, revision.version_tag, "COMPONENT")
        operator = OperatorInfo(kind, names)
        try:
            main = load(revision.id, component.code)
        except CodeFailed as error:
            error.operator = operator
            raise
        outputs = {each.name: self.slot() for each in revision.outputs}
        self.steps.append(Step(operator, main, tuple(given.items()), tuple(outputs.items()), revision.is_pure_plot))
        return outputs


class _Graph:
    """The operators and links of one workflow, checked."""

    def __init__(self, revision: Revision, workflow: Workflow, revisions: Revisions) -> None:
        self._revision = revision
        self._operators = {each.id: each for each in workflow.operators}
        self._revisions = revisions
        if len(self._operators) < len(workflow.operators):
            raise self.invalid("several of its operators have the same id")
        self.sources: dict[End, End] = {}
        """Where the value of an end comes from."""
        for link in workflow.links:
            self._add(link)
        self.constants = {each.end: each.value for each in workflow.constants}
        for end in self.constants:
            self._type_at_end(end)
            if end in self.sources:
                raise self.invalid(f"{self._shown(end)} has a constant, and a link ends there as well")

    def invalid(self, problem: str) -> InvalidTransformation:
        """The problem with the workflow's name."""
        return InvalidTransformation(f"the workflow {self._revision.title}: {problem}")

    def revision_of(self, operator: Operator) -> Revision:
        """What an operator runs."""
        found = self._revisions.get(operator.transformation_id)
        if found is None:
            raise self.invalid(
                f"its operator {operator.name!r} is the transformation {operator.transformation_id}, which is not there: add it"
            )
        return found

    def start_of(self, end: End) -> End:
        """Where the value of an output of the workflow comes from."""
        if end not in self.sources:
            raise self.invalid(f"no link ends at {self._shown(end)}")
        return self.sources[end]

    def order(self) -> list[Operator]:
        """The operators, each after those whose values it needs."""
        needs: dict[str, list[str]] = {each: [] for each in self._operators}
        for end, start in self.sources.items():
            if end.operator and start.operator:
                needs[end.operator].append(start.operator)
        try:
            return [self._operators[each] for each in TopologicalSorter(needs).static_order()]
        except CycleError as error:
            names = " -> ".join(self._operators[each].name for each in error.args[1])
            raise self.invalid(f"its links are a cycle: {names}") from None

    def _add(self, link: Link) -> None:
        start, end = self._type_at_start(link.start), self._type_at_end(link.end)
        if not end.accepts(start):
            raise self.invalid(
                f"a link leads from {self._shown(link.start)}, which is {start}, to {self._shown(link.end)}, which is {end}"
            )
        if self.sources.setdefault(link.end, link.start) != link.start:
            raise self.invalid(f"several links end at {self._shown(link.end)}")

    def _type_at_start(self, end: End) -> DataType:
        owner = self._owner(end)
        return self._type(end, owner.outputs if end.operator else owner.inputs)

    def _type_at_end(self, end: End) -> DataType:
        owner = self._owner(end)
        return self._type(end, owner.inputs if end.operator else owner.outputs)

    def _owner(self, end: End) -> Revision:
        if not end.operator:
            return self._revision
        if end.operator not in self._operators:
            raise self.invalid(f"a link or constant names the operator {end.operator}, which is not there")
        return self.revision_of(self._operators[end.operator])

    def _type(self, end: End, connectors: Any) -> DataType:
        kind: DataType | None = next((each.type for each in connectors if each.name == end.name), None)
        if kind is None:
            raise self.invalid(f"a link or constant names {self._shown(end)}, which is not there")
        return kind

    def _shown(self, end: End) -> str:
        operator = self._operators.get(end.operator)
        return f"{end.name!r} of {operator.name!r}" if operator else f"{end.name!r} of the workflow itself"


def _titles(way: tuple[Revision, ...]) -> str:
    return " > ".join(each.title for each in way)
