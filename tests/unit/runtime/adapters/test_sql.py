"""SQL on SQLite: what may be reached, and how values become rows. PostgreSQL is in the integration tests."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kafkatrigger.runtime.adapters.kept import Kept
from kafkatrigger.runtime.adapters.protocol import AdapterError
from kafkatrigger.runtime.transformations.model import DataType
from tests.support.adapters import failure, loaded, made, secret_of, wired

TABLES = """
create table measured (timestamp timestamp, metric text, value real, note text);
create table told (timestamp text, value real);
create table written (timestamp timestamp, value real);
create table hidden (secret text);
insert into measured values ('2026-01-02 00:00:00.000000', 'a', 2, null), ('2026-01-01 00:00:00.000000', 'a', 1, 'first'),
  ('2026-01-01 00:00:00.000000', 'b', 10, null), ('2026-01-03 00:00:00.000000', 'a', null, null);
insert into told values ('2026-01-01T00:00:00Z', 1), ('2026-01-02T00:00:00Z', 2);
"""
OPTIONS: dict[str, Any] = {
    "tables": ["measured", "told", "gone"],
    "writableTables": ["written", "measured"],
    "queries": {
        "of-metric": "select value from measured where metric = :metric order by value",
        "since": "select timestamp, value from measured where timestamp >= :timestampFrom and metric = 'a' order by 1",
        "all": "select * from measured",
        "changing": "delete from measured where metric = 'a' returning value",
        "twice": "select value as a, value as a from measured",
        "wrong": "select a from nowhere",
    },
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "db", isolation_level=None)
    connection.executescript(TABLES)
    yield connection
    connection.close()


@pytest.fixture
def adapter(database: sqlite3.Connection, tmp_path: Path) -> Iterator[Kept]:
    found = made("sql", secret_of(tmp_path / "secret", url=f"sqlite:///{tmp_path / 'db'}"), timeout=1, **OPTIONS)
    yield found
    found.close()


def test_a_table_is_a_frame(adapter: Kept) -> None:
    frame = loaded(adapter, "measured", DataType.DATAFRAME)
    assert list(frame.columns) == ["timestamp", "metric", "value", "note"]
    assert str(frame["timestamp"].dtype) == "datetime64[us, UTC]"
    assert frame["value"].tolist()[:3] == [2.0, 1.0, 10.0]


def test_a_table_is_a_series_of_time(adapter: Kept) -> None:
    series = loaded(adapter, "measured", DataType.SERIES, filters={"metrics": "a"})
    assert series.tolist()[:2] == [1.0, 2.0]
    assert series.index.is_monotonic_increasing


@pytest.mark.parametrize(
    ("filters", "values"),
    [
        ({}, [1.0, 10.0, 2.0]),
        ({"metrics": "ALL"}, [1.0, 10.0, 2.0]),
        ({"metrics": "a, b"}, [1.0, 10.0, 2.0]),
        ({"metrics": '["b"]'}, [10.0]),
        ({"metrics": "b' or 1=1 --"}, []),
        ({"timestampFrom": "2026-01-02T00:00:00Z"}, [2.0]),
        ({"timestampFrom": "2026-01-02T02:00:00+02:00", "timestampTo": "2026-01-02T00:00:00.000Z"}, [2.0]),
        ({"timestampTo": "2026-01-01T23:59:59Z", "metrics": ""}, [1.0, 10.0]),
    ],
)
def test_filters_of_a_table(adapter: Kept, filters: dict[str, str], values: list[float]) -> None:
    frame = loaded(adapter, "measured", DataType.MULTITSFRAME, filters=filters)
    assert frame["value"].dropna().tolist() == values


def test_times_that_are_text(adapter: Kept) -> None:
    series = loaded(adapter, "told", DataType.SERIES, filters={"timestampFrom": "2026-01-02T01:00:00+01:00"})
    assert series.to_dict() == {pd.Timestamp("2026-01-02", tz="UTC"): 2.0}


def test_queries_and_their_parameters(adapter: Kept) -> None:
    assert loaded(adapter, "of-metric", DataType.DATAFRAME, filters={"metric": "b"})["value"].tolist() == [10.0]
    assert loaded(adapter, "of-metric", DataType.DATAFRAME, filters={"metric": "x' or 'a'='a"}).empty
    assert len(loaded(adapter, "all", DataType.DATAFRAME, filters={"unused": ""})) == 4


def test_a_query_changes_nothing(adapter: Kept, database: sqlite3.Connection) -> None:
    assert len(loaded(adapter, "changing", DataType.DATAFRAME)) == 3
    assert database.execute("select count(*) from measured").fetchone() == (4,)


@pytest.mark.parametrize(
    ("ref_id", "filters", "sentence"),
    [
        ("hidden", {}, "this is none of the tables and queries that its options allow to be read, which are measured"),
        ("Measured", {}, "this is none of the tables"),
        ("written", {}, "this is none of the tables"),
        ("select * from hidden", {}, "this is none of the tables"),
        ("measured; drop table measured", {}, "this is none of the tables"),
        ("main.measured", {}, "this is none of the tables"),
        ("of-metric", {}, "the query has no filter metric: its parameters are metric"),
        ("of-metric", {"metric": "a", "other": "b"}, "the query knows no filter other"),
        (
            "measured",
            {"where": "1=1"},
            "it has no filter 'where' for tables: there are timestampFrom, timestampTo and metrics",
        ),
        ("measured", {"timestampFrom": "soon"}, "the filter timestampFrom is no time: write it as"),
        ("told", {"metrics": "a"}, "the table has no column 'metric': it has timestamp, value; set timeColumn"),
        ("gone", {}, "the database has no table gone: make it, or correct the options"),
        ("twice", {}, "several of its columns are called a: give each a name of its own"),
        ("wrong", {}, "the database says: no such table: nowhere"),
    ],
)
def test_what_is_not_allowed_or_wrong(adapter: Kept, ref_id: str, filters: dict[str, str], sentence: str) -> None:
    error = failure(adapter, ref_id, DataType.DATAFRAME, filters=filters)
    assert sentence in str(error)
    assert not error.retriable


def test_a_series_is_appended(adapter: Kept, database: sqlite3.Connection) -> None:
    series = pd.Series([1.5, None], index=pd.to_datetime(["2026-01-01", "2026-01-02"]).tz_localize("Europe/Berlin"))
    for _ in range(2):
        adapter.send(wired("written", DataType.SERIES), DataType.SERIES, series)
    rows = database.execute("select * from written").fetchall()
    assert rows == [("2025-12-31 23:00:00.000000", 1.5), ("2026-01-01 23:00:00.000000", None)] * 2


def test_a_frame_is_appended_and_read(adapter: Kept) -> None:
    frame = pd.DataFrame(
        {"timestamp": pd.to_datetime(["2026-02-01"], utc=True), "metric": ["c"], "value": [7], "note": [None]}
    )
    adapter.send(wired("measured"), DataType.MULTITSFRAME, frame)
    adapter.send(wired("measured"), DataType.MULTITSFRAME, frame.iloc[:0])
    found = loaded(adapter, "measured", DataType.MULTITSFRAME, filters={"metrics": "c"})
    assert found["value"].tolist() == [7.0]


def test_numbers_of_numpy_are_numbers(adapter: Kept, database: sqlite3.Connection) -> None:
    values = pd.Series([np.int64(1), np.float64(2.5), pd.NA, float("nan")], dtype=object)
    adapter.send(wired("written"), DataType.DATAFRAME, pd.DataFrame({"value": values}))
    assert database.execute("select value from written").fetchall() == [(1.0,), (2.5,), (None,), (None,)]


def test_all_rows_or_none(adapter: Kept, database: sqlite3.Connection) -> None:
    database.execute("create unique index once on written (value)")
    with pytest.raises(AdapterError, match="the database says: UNIQUE constraint failed") as caught:
        adapter.send(wired("written"), DataType.DATAFRAME, pd.DataFrame({"value": [1.0, 2.0, 1.0]}))
    assert not caught.value.retriable
    assert database.execute("select count(*) from written").fetchone() == (0,)


@pytest.mark.parametrize(
    ("ref_id", "value", "sentence"),
    [
        (
            "told",
            pd.DataFrame({"value": [1]}),
            "this is none of the tables that option writableTables allows, which are written",
        ),
        ("written", pd.DataFrame({"value": [1], "more": [2]}), "the table has no column more: it has timestamp, value"),
        ("written", pd.DataFrame([[1, 2]], columns=["value", "value"]), "several of its columns are called value"),
        ("written", pd.DataFrame([[1]]), "the table has no column 0: it has timestamp, value"),
        ("written", 5.0, "is no table: send it where JSON is kept"),
        (
            "measured",
            pd.DataFrame({"value": pd.to_datetime(["2026-01-01"])}),
            "the column 'value' holds no times, but REAL: set timeColumn",
        ),
    ],
)
def test_what_cannot_be_appended(adapter: Kept, ref_id: str, value: Any, sentence: str) -> None:
    with pytest.raises(AdapterError, match=sentence):
        adapter.send(wired(ref_id), DataType.DATAFRAME, value)


def test_a_database_that_is_locked_is_for_later(adapter: Kept, database: sqlite3.Connection) -> None:
    database.execute("begin exclusive")
    with pytest.raises(AdapterError, match="database is locked") as caught:
        adapter.send(wired("written"), DataType.DATAFRAME, pd.DataFrame({"value": [1]}))
    assert caught.value.retriable


def test_a_table_that_changed_is_seen_after_the_failure(adapter: Kept, database: sqlite3.Connection) -> None:
    assert "note" in loaded(adapter, "measured", DataType.DATAFRAME)
    database.execute("alter table measured drop column note")
    assert "no such column" in str(failure(adapter, "measured"))
    assert "note" not in loaded(adapter, "measured", DataType.DATAFRAME)


def test_several_threads(adapter: Kept) -> None:
    sizes: list[int] = []
    threads = [
        threading.Thread(target=lambda: sizes.append(len(loaded(adapter, "measured", DataType.DATAFRAME))))
        for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sizes == [4] * 8
