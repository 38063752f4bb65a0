"""The definition's model of a Transformation and the runtime's are twins: what one takes the other takes, and reads the same."""

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kafkatrigger.api.resources import API_VERSION
from kafkatrigger.api.transformation import TRANSFORMATION_KIND, TransformationSpec
from kafkatrigger.runtime.transformations import model

Body = dict[str, Any]

NARROWER = {"string_pattern_mismatch", "string_too_short"}
"""Where the definition is stricter: ids are UUIDs, names are not empty. So are, in a test wiring, unknown fields."""

ID = "3c1d7f0e-58a4-4c67-9f0b-2f8f6f3a9b11"
names = st.sampled_from(["a", "b", "c", "ü"])
anything = st.sampled_from([None, True, 1, 1.5, "x", [], ["x"], {}, {"a": None}]).map(copy.deepcopy)


def part(required: Body, optional: Body) -> st.SearchStrategy[Body]:
    return st.fixed_dictionaries(required, optional=optional)


def several(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, max_size=2)


types = st.sampled_from(list(model.DataType)).map(str)
end = part({"name": names}, {"operator": names})
wired: Body = {
    "adapterId": st.sampled_from(["sql", 1]),
    **dict.fromkeys(("refId", "refIdType", "refKey", "type"), names),
    "filters": st.dictionaries(names, st.none() | names, max_size=2),
}
documents = part(
    {"id": st.just(ID), "revisionGroupId": st.just(ID), "name": names, "versionTag": names},
    {
        "state": st.sampled_from(["Draft", "Released", "Disabled"]),
        **dict.fromkeys(("category", "description", "documentation", "releasedTimestamp", "disabledTimestamp"), names),
        "inputs": several(part({"name": names, "type": types}, {"default": anything})),
        "outputs": several(part({"name": names, "type": types}, {})),
        "component": part({"code": names}, {}),
        "workflow": part(
            {},
            {
                "operators": several(part({"id": names, "name": names, "transformationId": names}, {})),
                "links": several(part({"start": end, "end": end}, {})),
                "constants": several(part({"end": end, "value": anything}, {})),
            },
        ),
        "testWiring": part(
            {},
            {
                "inputWirings": several(
                    part({"workflowInputName": names}, {"useDefaultValue": st.booleans(), **wired})
                ),
                "outputWirings": several(part({"workflowOutputName": names}, wired)),
                "dashboardPositionings": several(st.dictionaries(names, anything, max_size=2)),
            },
        ),
    },
)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every map or list with each of its keys or indices."""
    if isinstance(node, dict | list):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield node, key
            yield from places(node[key])


def test_the_kind_is_the_same() -> None:
    assert (API_VERSION, TRANSFORMATION_KIND) == (model.API_VERSION, model.KIND)


@given(documents, st.data())
def test_twins(document: Body, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(0, 2), "changes")):
        if changed := list(places(document)):
            node, key = data.draw(st.sampled_from(changed), "place")
            node[key] = data.draw(anything, "value")
    if data.draw(st.booleans(), "unknown field"):
        document["colour"] = "red"
    compare(document)


def compare(document: Body) -> None:
    try:
        twin = TransformationSpec.model_validate(document)
    except ValidationError as error:
        if not all(is_narrower(each) for each in error.errors()):
            assert runtimes(document) is None, error
    else:
        read = runtimes(document)
        assert read is not None
        assert read == runtimes(twin.model_dump(by_alias=True, exclude_unset=True))


def is_narrower(problem: Any) -> bool:
    return problem["type"] in NARROWER or (problem["type"] == "extra_forbidden" and problem["loc"][0] == "testWiring")


def runtimes(document: object) -> model.Revision | None:
    try:
        return msgspec.convert(document, model.Revision)
    except msgspec.ValidationError:
        return None
