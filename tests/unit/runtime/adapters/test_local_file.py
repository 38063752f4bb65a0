"""Files: what is kept of values, and which paths are refused."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

from kafkatrigger.runtime.adapters.kept import Kept
from kafkatrigger.runtime.adapters.protocol import AdapterError
from kafkatrigger.runtime.transformations.model import DataType
from tests.support.adapters import failure, loaded, made, wired

FORMATS = ("x.csv", "x.csv.gz", "x.json", "x.json.gz", "x.parquet", "X.CSV")
TIMES = pd.to_datetime(
    ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T12:30:00.5Z"], format="ISO8601"
).as_unit("us")


@pytest.fixture
def adapter(tmp_path: Path) -> Kept:
    (tmp_path / "data").mkdir()
    folder = str(tmp_path / "data")
    return made("local_file", folders=[folder], writableFolders=[folder])


def through(adapter: Kept, name: str, kind: DataType, value: Any) -> Any:
    adapter.send(wired(name, kind), kind, value)
    return loaded(adapter, name, kind)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "series",
    [pd.Series([1.0, None, 3.5], index=TIMES), pd.Series(["a", "b"]), pd.Series([1, 2], index=["x", "y"], name="n")],
)
def test_a_series_comes_back(adapter: Kept, name: str, series: pd.Series) -> None:
    assert_series_equal(
        through(adapter, name, DataType.SERIES, series), series, check_freq=False, check_index_type=False
    )


@pytest.mark.parametrize("name", FORMATS)
def test_a_frame_comes_back(adapter: Kept, name: str) -> None:
    frame = pd.DataFrame({"timestamp": TIMES, "metric": ["a", "b", "a"], "value": [1.0, 2.0, None]})
    assert_frame_equal(through(adapter, name, DataType.DATAFRAME, frame), frame, check_index_type=False)
    assert_frame_equal(through(adapter, name, DataType.MULTITSFRAME, frame), frame, check_index_type=False)


@pytest.mark.parametrize("name", FORMATS)
def test_an_index_that_says_something_is_not_lost(adapter: Kept, name: str) -> None:
    frame = pd.DataFrame({"value": [1.0, 2.0]}, index=TIMES[1:])
    found = through(adapter, name, DataType.DATAFRAME, frame)
    moments = found["timestamp"] if "timestamp" in found.columns else found.index
    assert list(moments) == list(TIMES[1:])


@pytest.mark.parametrize("name", ["x.json", "x.parquet"])
def test_attributes_come_back(adapter: Kept, name: str) -> None:
    series = pd.Series([1.0], index=TIMES[:1])
    series.attrs["unit"] = "C"
    assert through(adapter, name, DataType.SERIES, series).attrs == {"unit": "C"}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DataType.INT, 5),
        (DataType.FLOAT, 1.5),
        (DataType.STRING, 'a "text"'),
        (DataType.BOOLEAN, True),
        (DataType.ANY, {"a": [1, None]}),
        (DataType.PLOTLYJSON, {"data": []}),
    ],
)
def test_json_keeps_any_value(adapter: Kept, kind: DataType, value: object) -> None:
    assert through(adapter, "x.json", kind, value) == value


def test_a_table_is_any(adapter: Kept) -> None:
    assert isinstance(through(adapter, "x.csv", DataType.ANY, pd.DataFrame({"a": [1]})), pd.DataFrame)


def test_csv_of_others_is_read(adapter: Kept, tmp_path: Path) -> None:
    (tmp_path / "data" / "x.csv").write_text("timestamp,value\n2026-01-01 00:00:00,1\n2026-01-02 00:00:00,2\n")
    series = loaded(adapter, "x.csv", DataType.SERIES)
    assert list(series) == [1, 2]
    assert str(series.index.dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize(
    ("name", "content", "kind", "sentence"),
    [
        ("x.csv", b"", DataType.DATAFRAME, "it cannot be read as CSV: No columns"),
        ("x.csv", b"a,b,c\n1,2,3\n", DataType.SERIES, "its columns are a, b, c: a SERIES has an index and values"),
        ("x.csv", b"a\n1\n", DataType.FLOAT, "it is a table, which is no FLOAT"),
        ("x.csv.gz", b"a\n1\n", DataType.DATAFRAME, "it cannot be read as CSV: Not a gzipped file"),
        ("x.json", b"\xff", DataType.ANY, "it cannot be read as JSON: 'utf-8'"),
        ("x.parquet", b"PAR1", DataType.DATAFRAME, "it cannot be read as PARQUET"),
        ("x.pkl", b"", DataType.ANY, "the format of the file is not known by its name: it ends with .csv"),
        ("x", b"", DataType.ANY, "the format of the file is not known by its name"),
        ("x.parquet.gz", b"", DataType.ANY, "the format of the file is not known by its name"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    adapter: Kept, tmp_path: Path, name: str, content: bytes, kind: DataType, sentence: str
) -> None:
    (tmp_path / "data" / name).write_bytes(content)
    assert sentence in str(failure(adapter, name, kind))


def test_a_file_that_is_not_there(adapter: Kept) -> None:
    assert str(failure(adapter, "x.csv")) == "the file cannot be read: No such file or directory"
    with pytest.raises(AdapterError, match="the file cannot be written: No such file or directory"):
        adapter.send(wired("no/x.csv"), DataType.DATAFRAME, pd.DataFrame({"a": [1]}))


def test_paths_that_are_allowed(adapter: Kept, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "deep").mkdir()
    (data / "deep" / "x.json").write_text("1")
    (data / "link.json").symlink_to("deep/x.json")
    for path in ("deep/x.json", str(data / "deep" / "x.json"), "deep/../deep/x.json", "link.json"):
        assert loaded(adapter, path, DataType.INT) == 1


def test_paths_outside_are_refused(adapter: Kept, tmp_path: Path) -> None:
    data, outside = tmp_path / "data", tmp_path / "outside"
    outside.mkdir()
    (outside / "x.json").write_text("1")
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "x.json").write_text("1")
    (tmp_path / "DATA").mkdir(exist_ok=True)
    (tmp_path / "DATA" / "x.json").write_text("1")
    (data / "link.json").symlink_to(outside / "x.json")
    (data / "folder").symlink_to(outside)
    (data / "circle.json").symlink_to("circle.json")
    for path in (
        "../outside/x.json",
        "folder/../outside/x.json",
        str(outside / "x.json"),
        "link.json",
        "folder/x.json",
        "../database/x.json",
        str(tmp_path / "DATA" / "x.json"),
        "x.json\0",
        "../nothing-there.json",
        "/etc/passwd",
        "/proc/self/root/etc/passwd",
    ):
        problem = str(failure(adapter, path, DataType.INT))
        assert problem.startswith("this is no path in one of the folders that option folders allows"), path
        with pytest.raises(AdapterError, match="option writableFolders allows"):
            adapter.send(wired(path), DataType.INT, 1)
    for path in ("circle.json", "~/x.json", "x" * 300 + ".json", ".", ""):
        assert failure(adapter, path, DataType.INT)
    assert (outside / "x.json").read_text() == "1"


def test_a_folder_that_may_be_read_may_not_be_written(tmp_path: Path) -> None:
    reading = made("local_file", folders=[str(tmp_path)])
    with pytest.raises(AdapterError, match="option writableFolders allows: correct ref_id, or add its folder"):
        reading.send(wired("x.json"), DataType.INT, 1)
    writing = made("local_file", writableFolders=[str(tmp_path)])
    writing.send(wired("x.json"), DataType.INT, 1)
    assert "option folders allows" in str(failure(writing, "x.json"))


def test_pipes_and_folders_are_no_files(adapter: Kept, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data" / "pipe.json")
    (tmp_path / "data" / "folder.json").mkdir()
    for name in ("pipe.json", "folder.json"):
        assert "this is no file" in str(failure(adapter, name))
    with pytest.raises(AdapterError, match="Is a directory"):
        adapter.send(wired("folder.json"), DataType.INT, 1)
    assert sorted(each.name for each in (tmp_path / "data").iterdir()) == ["folder.json", "pipe.json"]


def test_a_file_is_replaced_as_a_whole(adapter: Kept, tmp_path: Path) -> None:
    """Who has the old one open reads it to its end."""
    adapter.send(wired("x.json"), DataType.STRING, "before")
    with (tmp_path / "data" / "x.json").open() as before:
        adapter.send(wired("x.json"), DataType.STRING, "after")
        assert before.read() == '"before"'
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["x.json"]


def test_the_first_folder_that_has_it(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "b" / "x.json").write_text("2")
    adapter = made("local_file", folders=[str(tmp_path / "a"), str(tmp_path / "b")])
    assert loaded(adapter, "x.json", DataType.INT) == 2
