"""What a function may return, and what becomes of it."""

import datetime
import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kafkatrigger import Failure, Permanent, Result, Retriable
from kafkatrigger.api.frames import Format, Outcome, Output, Outputs
from kafkatrigger.runtime.encode import InvalidResult, ResultEncoder, outcome_size


def encode(result: Any, value: Format = "JSON", key: Format = "String") -> Outcome:
    return ResultEncoder(value, key).outcome(result)


@dataclass
class Reading:
    value: float


class Color(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("result", "json"),
    [
        ({"a": 1}, b'{"a":1}'),
        ({1: "a"}, b'{"1":"a"}'),
        ([], b"[]"),
        ([1, "a"], b'[1,"a"]'),
        ((1, 2), b"[1,2]"),
        (False, b"false"),
        (float("nan"), b"null"),
        (Reading(1.5), b'{"value":1.5}'),
        (Color.RED, b'"red"'),
        (np.float64(1.5), b"1.5"),
        (np.array([[1, 2], [3, 4]]), b"[[1,2],[3,4]]"),
        (np.array([[1, 2], [3, 4]]).T, b"[[1,3],[2,4]]"),
        ({"at": datetime.date(2026, 6, 1)}, b'{"at":"2026-06-01"}'),
        ({"at": pd.Timestamp("2026-06-01T12:00:00Z")}, b'{"at":"2026-06-01T12:00:00+00:00"}'),
        ({"at": pd.NaT}, b'{"at":null}'),
        (pd.Series([1, 2]), b"[1,2]"),
    ],
)
def test_values_as_json(result: Any, json: bytes) -> None:
    assert encode(result) == json


def test_none_answers_nothing_and_a_result_of_none_is_a_tombstone() -> None:
    assert encode(None) is None
    assert encode(Result(None)) == Outputs([Output(None)])


def test_a_result_without_specialties_is_a_value() -> None:
    assert encode(Result(1)) == b"1"


@pytest.mark.parametrize(
    ("result", "output"),
    [
        (Result(1, key="k"), Output(b"1", b"k", source_key=False)),
        (Result(1, key=None), Output(b"1", None, source_key=False)),
        (Result(1, headers=[("h", b"x"), ("n", None)]), Output(b"1", headers=[("h", b"x"), ("n", None)])),
        (Result(1, partition=0), Output(b"1", partition=0)),
    ],
)
def test_a_result_with_specialties(result: Result, output: Output) -> None:
    assert encode(result) == Outputs([output])


def test_a_list_of_results_is_several_responses() -> None:
    assert encode([Result(2), Result(1)]) == Outputs([Output(b"2"), Output(b"1")])
    assert encode([Result(2)]) == b"2"


def test_a_generator_is_several_responses() -> None:
    def generate(items: list[Any]) -> Iterator[Any]:
        yield from items

    assert encode(generate([2, Result(1), None, [3]])) == Outputs([Output(b"2"), Output(b"1"), Output(b"[3]")])
    assert encode(generate([])) is None
    assert encode(generate([2])) == b"2"


def test_a_generator_that_raises_is_a_failing_function() -> None:
    def generate() -> Iterator[Any]:
        yield 1
        raise KeyError("no")

    with pytest.raises(KeyError):
        encode(generate())


def test_a_failure_is_raised_as_what_it_is() -> None:
    with pytest.raises(Retriable, match="not now"):
        encode(Failure("not now"))
    with pytest.raises(Permanent, match="no such sensor"):
        encode(Failure("no such sensor", permanent=True))
    cause = KeyError("x")
    with pytest.raises(Retriable) as caught:
        encode(item for item in [1, Failure(cause)])
    assert caught.value.__cause__ is cause
    with pytest.raises(Permanent):
        encode(Failure(Permanent("never")))


def test_text_and_bytes() -> None:
    assert encode("ä", "String") == "ä".encode()
    assert encode(bytearray(b"\xff"), "Bytes") == b"\xff"
    assert encode(Result(b"", key={"a": 1}), "Bytes", "JSON") == Outputs([Output(b"", b'{"a":1}', source_key=False)])


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("result", "kind", "sentence"),
    [
        ({1, 2}, "JSON", "the function returned a set, which JSON cannot express: return numbers, text"),
        ({"a": {1}}, "JSON", "the function returned a dict that contains a set, which JSON"),
        ({"a": Result(1)}, "JSON", "the function returned a dict that contains a Result"),
        (1 << 64, "JSON", "the function returned an int that JSON cannot express: "),
        ("\ud800", "JSON", "the function returned a str that JSON cannot express: "),
        (nested(5000), "JSON", "the function returned a list that JSON cannot express: "),
        ([Result(1), 2], "JSON", "the function returned a list of Result and an int: make every item"),
        (1, "String", "the function returned an int, but the trigger's format is String: return str"),
        ("\ud800", "String", "the function returned text that UTF-8 cannot express"),
        ("a", "Bytes", "the function returned a str, but the trigger's format is Bytes: return bytes"),
        (Result(1, key=1), "JSON", "as the key of a Result, the function returned an int, but"),
        (Result(1, headers=[("h", "text")]), "JSON", "the function returned a Result whose headers are no list"),  # type: ignore[list-item]
        (Result(1, headers=5), "JSON", "the function returned a Result whose headers are no list"),  # type: ignore[arg-type]
        (Result(1, partition=-1), "JSON", "the function returned a Result whose partition is no"),
        (Result(1, partition="0"), "JSON", "the function returned a Result whose partition is no"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_published_is_named(result: Any, kind: Format, sentence: str) -> None:
    with pytest.raises(InvalidResult) as caught:
        encode(result, kind)
    assert str(caught.value).startswith(sentence)


def test_a_coroutine_is_named() -> None:
    async def later() -> None: ...

    with pytest.raises(InvalidResult, match="returned a coroutine"):
        encode(later())


@pytest.mark.parametrize(
    ("outcome", "size"), [(None, 0), (b"abc", 3), (Outputs([Output(b"abc", b"k"), Output(None)]), 68)]
)
def test_size(outcome: Outcome, size: int) -> None:
    assert outcome_size(outcome) == size


@pytest.mark.parametrize(
    ("kind", "values"), [("JSON", [{}, "a", 1, 1.5, True]), ("String", ["a", "ä"]), ("Bytes", [b"", b"a"])]
)
def test_the_short_way_says_the_same(kind: Format, values: list[Any]) -> None:
    encoder = ResultEncoder(kind, "String")
    plain: Callable[[Any], bytes] = encoder.plain_value
    for value in values:
        assert type(value) in encoder.plain
        assert plain(value) == encoder.outcome(value)
