"""Values from JSON and to JSON."""

import array
import io
import json
import sys
import warnings
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal

from kafkatrigger.runtime.transformations.data import parse
from kafkatrigger.runtime.transformations.model import DataType
from kafkatrigger.runtime.transformations.problems import InvalidData, Stage
from kafkatrigger.runtime.transformations.results import encode

WRAPPER = ("__hd_wrapped_data_object__", "__metadata__", "__data__", "__data_parsing_options__")
TIMES = pd.DatetimeIndex(["2020-01-01T00:00:00Z", "2020-01-01T01:00:00Z"])


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("INT", "5", 5),
        ("INT", "5.0", 5),
        ("INT", "-900719925474099312345", -900719925474099312345),
        ("FLOAT", "1.3", 1.3),
        ("FLOAT", "-inf", float("-inf")),
        ("STRING", '"quoted"', '"quoted"'),
        ("STRING", "", ""),
        ("BOOLEAN", "True", True),
        ("BOOLEAN", "0", False),
        ("ANY", "5", 5),
        ("ANY", '"5"', 5),
        ("ANY", '"\\"x\\""', "x"),
        ("ANY", '{"a": [1, null]}', {"a": [1, None]}),
        ("ANY", "plain words", "plain words"),
        ("ANY", '"{"', "{"),
        ("PLOTLYJSON", '{"data": []}', {"data": []}),
    ],
)
def test_plain_values_from_text(kind: str, text: str, value: Any) -> None:
    found = parse(DataType(kind), text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("kind", "value"), [("INT", 5), ("INT", 5.0), ("FLOAT", 5), ("BOOLEAN", True), ("ANY", [1])])
def test_plain_values_from_json(kind: str, value: Any) -> None:
    assert parse(DataType(kind), value) == value


@pytest.mark.parametrize("kind", list(DataType))
def test_null_is_none(kind: DataType) -> None:
    assert parse(kind, None) is None


@pytest.mark.parametrize("kind", list(DataType))
def test_the_text_null_is_none_where_that_may_be(kind: DataType) -> None:
    assert parse(kind, "null", is_nullable=True) is None


def series(values: list[Any], index: Any = None, name: Any = None) -> pd.Series:
    return pd.Series(values, index=index, name=name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"2020-01-01T00:00:00Z": 1.5, "2020-01-01T01:00:00.000Z": 2.5}', series([1.5, 2.5], TIMES)),
        ('{"2020-01-01T00:00:00.000000Z": 1.5, "2020-01-01T01:00:00.000000Z": 2.5}', series([1.5, 2.5], TIMES)),
        ('{"2020-01-01T00:00:00Z": 1.0, "2020-01-01T01:00:00Z": 2.0}', series([1, 2], TIMES)),
        ('{"2020-01-01T00:00:00Z": 1.0, "2020-01-01T01:00:00Z": null}', series([1, np.nan], TIMES)),
        (
            '{"2020-01-01T00:00:00Z": 1.5, "2020-01-01T99:00:00Z": 2.5}',
            series([1.5, 2.5], ["2020-01-01T00:00:00Z", "2020-01-01T99:00:00Z"]),
        ),
        ('{"2020-01-01T01:00:00+01:00": 1.5, "2020-01-01T02:00:00+01:00": null}', series([1.5, np.nan], TIMES)),
        ('{"2020-01-01T02:00:00+02:00": 1.5, "2020-01-01T02:00:00+01:00": null}', series([1.5, np.nan], TIMES)),
        ('{"2020-01-01T00:00:00+00:00": 1.5, "2020-01-01T01:00:00+00:00": 2.5}', series([1.5, 2.5], TIMES)),
        ('{"2020-01-01T00:00:00+00:00": 1.5, "2020-01-01T02:00:00+01:00": 2.5}', series([1.5, 2.5], TIMES)),
        ('{"2020-01-01T00:00:00-01:00": 1.5}', series([1.5], TIMES[1:])),
        ('{"2020-01-01": 1, "2020-01-02": 2}', series([1, 2], pd.DatetimeIndex(["2020-01-01", "2020-01-02"]))),
        ('{"1577836800000": 1, "1577840400000": 2}', series([1, 2], TIMES.tz_convert(None))),
        ('{"0": 1, "1": 2}', series([1, 2])),
        ('{"0.5": 1, "2": 2}', series([1, 2], [0.5, 2.0])),
        ('{"a": "x", "b": "007"}', series(["x", "007"], ["a", "b"])),
        ('{"007": 1, "008": 2}', series([1, 2], [7, 8])),
        ('["1", "2.5"]', series([1, 2.5])),
        ("[400000000, 500000000]", series([400000000, 500000000])),
        ("[null, null]", series([np.nan, np.nan])),
        ("[1, 2.5, null]", series([1, 2.5, np.nan])),
        ("[1, NaN]", series([1, np.nan])),
        ('["2020-01-01T00:00:00Z", "2020-01-01T01:00:00Z"]', pd.Series(TIMES)),
        ("[]", pd.Series([], dtype=float)),
        ("{}", pd.Series([], dtype=float, index=TIMES[:0])),
        (
            '{"__hd_wrapped_data_object__": "SERIES", "__metadata__": {"unit": "K"}, "__data__": {"name": "t", '
            '"index": ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"], "data": [1, 2]}, '
            '"__data_parsing_options__": {"orient": "split"}}',
            series([1, 2], TIMES[[0, 0]], "t"),
        ),
        ('{"__hd_wrapped_data_object__": "SERIES", "__data__": {"a": 1}}', series([1], ["a"])),
    ],
)
def test_series(text: str, expected: pd.Series) -> None:
    assert_series_equal(parse(DataType.SERIES, text), expected, check_index_type=False)
    assert_series_equal(parse(DataType.SERIES, json.loads(text)), expected, check_index_type=False)


def test_metadata_are_attrs() -> None:
    text = '{"__hd_wrapped_data_object__": "%s", "__metadata__": {"unit": "K"}, "__data__": {}}'
    for kind in (DataType.SERIES, DataType.DATAFRAME):
        value = parse(kind, text % kind)
        assert value.attrs == {"unit": "K"}
        assert json.loads(encode(kind, value))["__metadata__"] == {"unit": "K"}
        assert type(parse(DataType.ANY, text % kind)) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": {"0": 1, "1": 2}, "b": {"0": "x", "1": null}}', pd.DataFrame({"a": [1, 2], "b": ["x", None]})),
        ('{"a": [1, 2]}', pd.DataFrame({"a": [1, 2]})),
        ('[{"a": 1}, {"a": 2, "b": 0.5}]', pd.DataFrame({"a": [1, 2], "b": [np.nan, 0.5]})),
        ('{"a": {"2020-01-01T00:00:00Z": 1, "2020-01-01T01:00": 2}}', pd.DataFrame({"a": [1, 2]}, index=TIMES)),
        (
            '[{"timestamp": "2020-01-01T00:00:00Z"}, {"timestamp": "2020-01-01T01:00"}]',
            pd.DataFrame({"timestamp": TIMES}),
        ),
        (
            '{"__hd_wrapped_data_object__": "DATAFRAME", "__data__": {"columns": ["a"], "index": ["x"], "data": [[1]]}, '
            '"__data_parsing_options__": {"orient": "split"}}',
            pd.DataFrame({"a": [1]}, index=["x"]),
        ),
    ],
)
def test_frames(text: str, expected: pd.DataFrame) -> None:
    assert_frame_equal(parse(DataType.DATAFRAME, text), expected, check_index_type=False)


def test_frames_of_several_series_are_sorted_by_time() -> None:
    rows = [
        {"timestamp": "2020-01-01T01:00:00Z", "metric": "a", "value": 1.0},
        {"timestamp": "2020-01-01T00:00:00Z", "metric": "b", "value": None},
    ]
    frame = parse(DataType.MULTITSFRAME, json.dumps(rows))
    assert list(frame["timestamp"]) == list(TIMES)
    assert list(frame["metric"]) == ["b", "a"]
    content = json.loads(encode(DataType.MULTITSFRAME, frame.iloc[::-1]))
    assert content["__hd_wrapped_data_object__"] == "DATAFRAME"
    assert list(content["__data__"]["value"].items()) == [("1", None), ("0", 1.0)]
    columns = {"timestamp": [1577840400000, 1577836800000], "metric": ["a", "b"], "value": [1, 2]}
    assert list(parse(DataType.MULTITSFRAME, columns)["timestamp"]) == list(TIMES)
    assert parse(DataType.MULTITSFRAME, "[]").columns.tolist() == ["timestamp", "metric", "value"]
    without_zone = [{"timestamp": "2020-01-01T00:00:00", "metric": 7, "value": 1}]
    assert parse(DataType.MULTITSFRAME, without_zone).iloc[0].tolist() == [TIMES[0], "7", 1]


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("INT", "1.5", "'1.5' is no INT: it is not whole"),
        ("INT", "inf", "'inf' is no INT: cannot convert float infinity to integer"),
        ("INT", "", "'' is no INT: "),
        ("INT", True, "'True' is no INT: it is a bool"),
        ("FLOAT", "1,5", "'1,5' is no FLOAT: could not convert"),
        ("FLOAT", [1], "'[1]' is no FLOAT: it is a list"),
        ("STRING", True, "'True' is no STRING: it is a bool"),
        ("BOOLEAN", "maybe", "'maybe' is no BOOLEAN: write true or false"),
        ("SERIES", "5", "'5' is no SERIES: it is an int, and has to be an object or a list"),
        ("SERIES", '{"a": ', "'{\"a\": ' is no SERIES: Expecting value"),
        ("SERIES", '{"__hd_wrapped_data_object__": "DATAFRAME", "__data__": {}}', "says it is a DATAFRAME"),
        ("SERIES", '{"__hd_wrapped_data_object__": "SERIES"}', "'__data__'"),
        ("DATAFRAME", '{"a": [1], "b": [1, 2]}', "is no DATAFRAME: All arrays must be of the same length"),
        ("DATAFRAME", '{"a": 1}', "is no DATAFRAME: "),
        ("MULTITSFRAME", '[{"timestamp": "2020-01-01", "value": 1}]', "is no MULTITSFRAME: it has no column metric"),
        ("MULTITSFRAME", '[{"timestamp": "2020-01-01", "metric": "a"}]', "it has no column of values"),
        ("MULTITSFRAME", '[{"timestamp": "2020-01-01", "metric": null, "value": 1}]', "metric is null in row 0"),
        ("SINGLETSFRAME", '[{"timestamp": 5, "value": 1}]', "timestamp holds other things than times"),
        ("SINGLETSFRAME", '[{"timestamp": "soon", "value": 1}]', "is no SINGLETSFRAME: "),
        ("PLOTLYJSON", "[]", "'[]' is no PLOTLYJSON: it is a list, and has to be an object"),
        ("ANY", "[" * 100_000, "'" + "[" * 59 + "…' is no ANY: "),
    ],
)
def test_what_is_no_value_of_its_type_is_said(kind: str, text: Any, sentence: str) -> None:
    with pytest.raises(InvalidData) as caught:
        parse(DataType(kind), text)
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 500
    assert caught.value.stage == Stage.PARSING_LOADED_DATA


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("FLOAT", float("nan"), "null"),
        ("FLOAT", float("inf"), "null"),
        ("FLOAT", np.float64(1e-20), "1e-20"),
        ("INT", np.int64(5), "5"),
        ("BOOLEAN", np.bool_(True), "true"),
        ("STRING", None, "null"),
        ("STRING", pd.Timestamp("2020-01-01T01:02:03.4567Z"), '"2020-01-01T01:02:03.456Z"'),
        ("ANY", {"a": pd.NaT, "b": {1}, 2: np.array([[1, 2], [3, 4]]).T}, '{"a":null,"b":[1],"2":[[1,3],[2,4]]}'),
        ("ANY", pd.Index(["a"]), '["a"]'),
        ("ANY", pd.Timestamp("2020-01-01T02:00+01:00"), '"2020-01-01T01:00:00.000Z"'),
        ("ANY", pd.Timestamp("2020-01-01T02:00"), '"2020-01-01T02:00:00.000"'),
        ("ANY", np.array([TIMES[0], pd.NaT], dtype=object), '["2020-01-01T00:00:00.000Z",null]'),
        ("ANY", array.array("i", [1, 2]), "[1,2]"),
        ("ANY", np.array(["a", 1], dtype=object), '["a",1]'),
        ("PLOTLYJSON", {}, "{}"),
    ],
)
def test_plain_results(kind: str, value: Any, text: str) -> None:
    assert encode(DataType(kind), value).decode() == text


def test_a_series_is_wrapped_and_split_and_cut_to_milliseconds() -> None:
    value = pd.Series([1.0, np.nan], pd.DatetimeIndex(["2020-01-01T00:00:00Z", "2020-01-01T00:00:00.1239Z"]))
    expected = (
        b'{"__hd_wrapped_data_object__":"SERIES","__metadata__":{},"__data__":{"name":null,'
        b'"index":["2020-01-01T00:00:00.000Z","2020-01-01T00:00:00.123Z"],"data":[1.0,null]},'
        b'"__data_parsing_options__":{"orient":"split"}}'
    )
    assert encode(DataType.SERIES, value) == expected
    assert encode(DataType.SERIES, value.tz_convert("Europe/Berlin")) == expected
    assert encode(DataType.SERIES, value.tz_localize(None)) == expected.replace(b"Z", b"")
    assert json.loads(encode(DataType.SERIES, [1, None]))["__data__"]["data"] == [1.0, None]


def test_a_frame_is_wrapped_by_column_and_row() -> None:
    value = pd.DataFrame({"a": [1, 2], "at": [TIMES[0], pd.NaT], "text": ["x", None]}, index=TIMES)
    first, second = "2020-01-01T00:00:00.000Z", "2020-01-01T01:00:00.000Z"
    assert json.loads(encode(DataType.DATAFRAME, value)) == {
        "__hd_wrapped_data_object__": "DATAFRAME",
        "__metadata__": {},
        "__data__": {
            "a": {first: 1, second: 2},
            "at": {first: first, second: None},
            "text": {first: "x", second: None},
        },
    }


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        ("DATAFRAME", pd.DataFrame({"a": [1, 2]}, index=[0, 0]), "its index has entries that are there twice"),
        ("ANY", object(), "an object cannot be written as ANY: it is or contains an object"),
        ("ANY", {"a": [1 << 70]}, "a dict cannot be written as ANY: Integer exceeds 64-bit range"),
        ("MULTITSFRAME", pd.DataFrame({"a": [1]}), "a DataFrame cannot be written as MULTITSFRAME: 'timestamp'"),
        ("SERIES", {"a": [1], "__hd_wrapped_data_object__": "DATAFRAME"}, "is no SERIES"),
    ],
)
def test_what_json_cannot_express_is_said(kind: str, value: Any, sentence: str) -> None:
    with pytest.raises(InvalidData, match=sentence) as caught:
        encode(DataType(kind), value)
    assert caught.value.stage == Stage.ENCODING_RESULTS_TO_JSON


LABELS = st.sampled_from(
    [
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.5Z"),
        ("2020-01-01T00:00:00+00:00", "2020-01-02T00:00:00+00:00"),
        ("2020-01-01T00:00:00", "2020-01-02T00:00:00.5", "2020-01-02"),
        ("2020-01-01", "1", "a"),
        ("1", "2"),
    ]
)
VALUES = st.none() | st.booleans() | st.integers(0, 9) | st.floats(0, 9)
ENTRIES = LABELS.flatmap(lambda labels: st.lists(st.tuples(st.sampled_from(labels), VALUES), min_size=1))


@given(ENTRIES, st.booleans())
def test_a_series_is_what_pandas_reads(entries: list[tuple[str, Any]], is_split: bool) -> None:
    labels, values = [label for label, _ in entries], [value for _, value in entries]
    content: dict[str, Any] = {"name": "t", "index": labels, "data": values} if is_split else dict(entries)
    options = {"orient": "split"} if is_split else {}
    wrapped = dict(zip(WRAPPER, ("SERIES", {}, content, options), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = pd.read_json(io.StringIO(json.dumps(content)), typ="series", convert_dates=False, **options)
    if set(values) == {None}:
        expected = expected.astype(float)
    assert_series_equal(parse(DataType.SERIES, json.dumps(wrapped)), expected)


COLUMNS = st.sampled_from(["a", "May", "1", "timestamp", "x_at", "date", "metric"])
CELLS = st.sampled_from(
    [(1, 2.5, None), (1.0, 2), ("x", "1"), ("1", "2"), ("2020-01-01", "2021-01-01"), (True,), ("", 1)]
)


@given(st.dictionaries(COLUMNS, CELLS.flatmap(lambda cells: st.tuples(*[st.sampled_from(cells)] * 2)), min_size=1))
@pytest.mark.parametrize("form", ["lists", "labels", "times", "records"])
def test_a_frame_is_what_pandas_reads(form: str, columns: dict[str, tuple[Any, ...]]) -> None:
    rows = ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z") if form == "times" else ("0", "7")
    if form == "lists":
        content: Any = {name: list(cells) for name, cells in columns.items()}
    elif form == "records":
        content = [{name: cells[row] for name, cells in columns.items()} for row in range(2)]
    else:
        content = {name: dict(zip(rows, cells, strict=True)) for name, cells in columns.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = pd.read_json(io.StringIO(json.dumps(content)), typ="frame")
    assert_frame_equal(parse(DataType.DATAFRAME, json.dumps(content)), expected, check_index_type=False)


numbers = st.floats(allow_nan=True, allow_infinity=False)
moments = st.datetimes(min_value=pd.Timestamp("1900-01-01"), max_value=pd.Timestamp("2200-01-01")).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
texts = st.text(max_size=8)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 62), 1 << 62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(moments, numbers)))
def test_series_of_time_survive(rows: list[tuple[Any, float]]) -> None:
    index = pd.DatetimeIndex([when for when, _ in rows], tz="UTC").as_unit("us")
    value = pd.Series([number for _, number in rows], index=index, dtype=float)
    found = parse(DataType.SERIES, encode(DataType.SERIES, value).decode())
    assert_series_equal(found.astype(float), value)


@given(st.lists(st.tuples(st.integers(-(1 << 62), 31536000), st.integers(-(1 << 62), 1 << 62)), min_size=1))
def test_whole_numbers_stay_whole_numbers(rows: list[tuple[int, int]]) -> None:
    value = pd.Series([number for _, number in rows], index=[label for label, _ in rows])
    assert_series_equal(parse(DataType.SERIES, encode(DataType.SERIES, value).decode()), value)


@given(st.lists(st.sampled_from(["a", "P-007", "1.5 K", "null", "x y"]), min_size=1))
def test_texts_stay_texts(values: list[str]) -> None:
    value = pd.Series(values, index=values)
    assert_series_equal(parse(DataType.SERIES, encode(DataType.SERIES, value).decode()), value)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(numbers, min_size=3, max_size=3), min_size=1))
def test_frames_survive(columns: dict[str, list[float]]) -> None:
    value = pd.DataFrame(columns, dtype=float)
    found = parse(DataType.DATAFRAME, encode(DataType.DATAFRAME, value).decode())
    assert_frame_equal(found.astype(float), value, check_index_type=False)


@given(plain.filter(lambda value: not isinstance(value, str)))
def test_json_survives(value: Any) -> None:
    assert parse(DataType.ANY, encode(DataType.ANY, value).decode()) == value


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 62), 1 << 62)
    | st.floats()
    | st.sampled_from(["timestamp", "a", "1", "2020-01-01", "9999-99-99"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["timestamp", "metric", "0", "2020-01-01", "1577836800000", *WRAPPER]),
            inner | st.sampled_from(["SERIES", "DATAFRAME", {"orient": "split"}]),
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(st.sampled_from(list(DataType)), json_values, st.booleans())
def test_whatever_comes_is_a_value_or_is_refused(kind: DataType, value: Any, as_text: bool) -> None:
    with suppress(InvalidData):
        encode(kind, parse(kind, json.dumps(value) if as_text else value))


def test_without_pandas_the_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.delitem(sys.modules, "kafkatrigger.runtime.transformations.pandas_json")
    monkeypatch.delattr("kafkatrigger.runtime.transformations.pandas_json")
    with pytest.raises(InvalidData, match="SERIES needs pandas, which is not installed here: use the analytics image"):
        parse(DataType.SERIES, "[1]")
