"""The adapter for SQL with a real PostgreSQL: types, times, timeouts, and what becomes of runs when it is gone."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

from kafkatrigger.runtime.adapters.kept import Kept
from kafkatrigger.runtime.adapters.protocol import AdapterError
from kafkatrigger.runtime.transformations.model import DataType
from kafkatrigger.runtime.transformations.wiring import from_json
from tests.cluster.errors import ClusterError
from tests.support.adapters import failure, loaded, made, secret_of, wired
from tests.support.stores import Postgres, postgres
from tests.unit.runtime.transformations.helpers import component, run

TABLES = """
create schema plant;
create table plant.measured (timestamp timestamptz, metric text, value double precision, exact numeric, note jsonb);
create table local (at timestamp, number integer unique);
insert into plant.measured values
  ('2026-01-01T00:00:00Z', 'a', 1.5, 0.1, null), ('2026-07-01T00:00:00Z', 'a', 'NaN', 0.2, '{"b": 1}'), ('2026-01-01T12:00:00Z', 'b', 7, null, null);
insert into local values ('2026-01-01 00:00:00', 1), ('2026-01-02 00:00:00', 2);
alter role owner set timezone = 'Europe/Berlin';
"""
QUERIES = {"slow": "select pg_sleep(30)", "of-number": "select number from local where number = :number"}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    try:
        with postgres() as running:
            with psycopg.connect(running.url().replace("+psycopg", "")) as connection:
                connection.execute(TABLES)
            yield running
    except ClusterError as error:
        pytest.skip(str(error))


def adapter_of(server: Postgres, tmp_path: Path, **options: Any) -> Kept:
    return made(
        "sql",
        secret_of(tmp_path / "secret", url=server.url()),
        **{"tables": ["plant.measured", "local"], "writableTables": ["plant.measured", "local"], "queries": QUERIES}
        | options,
    )


@pytest.fixture
def adapter(server: Postgres, tmp_path: Path) -> Iterator[Kept]:
    found = adapter_of(server, tmp_path)
    yield found
    found.close()


def test_times_are_utc_whatever_the_zone_of_the_session(adapter: Kept) -> None:
    frame = loaded(adapter, "plant.measured", DataType.MULTITSFRAME)
    assert [str(each) for each in frame["timestamp"]] == [
        "2026-01-01 00:00:00+00:00",
        "2026-01-01 12:00:00+00:00",
        "2026-07-01 00:00:00+00:00",
    ]
    assert frame["exact"].dtype == "float64"
    filters = {"metrics": "a", "timestampFrom": "2026-07-01T02:00:00+02:00"}
    assert len(loaded(adapter, "plant.measured", DataType.SERIES, filters=filters)) == 1


def test_times_without_a_zone(server: Postgres, tmp_path: Path) -> None:
    adapter = adapter_of(server, tmp_path, timeColumn="at", valueColumn="number")
    series = loaded(adapter, "local", DataType.SERIES, filters={"timestampFrom": "2026-01-02T01:00:00+01:00"})
    assert series.to_dict() == {pd.Timestamp("2026-01-02", tz="UTC"): 2}
    adapter.send(wired("local"), DataType.SERIES, pd.Series([3], index=[pd.Timestamp("2026-01-03T01:00:00+01:00")]))
    assert loaded(adapter, "local", DataType.SERIES).index[-1] == pd.Timestamp("2026-01-03", tz="UTC")
    adapter.close()


def test_a_series_of_many_rows_is_appended(adapter: Kept) -> None:
    moments = pd.date_range("2027-01-01", periods=5000, freq="s", tz="UTC")
    series = pd.Series(range(5000), index=moments, dtype=float)
    adapter.send(wired("plant.measured"), DataType.SERIES, series)
    assert (
        len(loaded(adapter, "plant.measured", DataType.SERIES, filters={"timestampFrom": "2027-01-01T00:00:00Z"}))
        == 5000
    )


def test_a_parameter_is_text_for_any_type(adapter: Kept) -> None:
    assert loaded(adapter, "of-number", DataType.DATAFRAME, filters={"number": "2"})["number"].tolist() == [2]
    assert "the database says: invalid input syntax" in str(
        failure(adapter, "of-number", filters={"number": "2 or 1=1"})
    )


def test_all_rows_or_none(adapter: Kept) -> None:
    with pytest.raises(AdapterError, match="duplicate key value") as caught:
        adapter.send(wired("local"), DataType.DATAFRAME, pd.DataFrame({"number": [100, 101, 1]}))
    assert not caught.value.retriable
    assert 100 not in loaded(adapter, "local", DataType.DATAFRAME)["number"].tolist()


def test_a_statement_that_takes_too_long(server: Postgres, tmp_path: Path) -> None:
    adapter = adapter_of(server, tmp_path, timeout=0.5)
    began = time.monotonic()
    error = failure(adapter, "slow")
    assert time.monotonic() - began < 15
    assert "canceling statement due to statement timeout" in str(error)
    assert error.retriable
    adapter.close()


def test_connections_that_the_server_ended_are_made_anew(server: Postgres, adapter: Kept) -> None:
    loaded(adapter, "local", DataType.DATAFRAME)
    with psycopg.connect(server.url().replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = 'postgres'"
        )
    assert len(loaded(adapter, "local", DataType.DATAFRAME)) >= 2


def test_a_new_password_is_used(server: Postgres, tmp_path: Path) -> None:
    adapter = adapter_of(server, tmp_path)
    with psycopg.connect(server.url().replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("create role reader login superuser password 'passw0rd-one'")
        secret_of(tmp_path / "secret", url=server.url("reader", "passw0rd-one"))
        loaded(adapter, "local", DataType.DATAFRAME)
        connection.execute("alter role reader password 'passw0rd-two'")
    secret_of(tmp_path / "secret", url=server.url("reader", "passw0rd-two"))
    assert len(loaded(adapter, "local", DataType.DATAFRAME)) >= 2
    adapter.close()


def test_neither_url_nor_password_is_in_a_response(server: Postgres, tmp_path: Path) -> None:
    adds = component("Adds", "def main(*, x):\n    return {'x': x}\n", "x: DATAFRAME", "x: DATAFRAME")
    given = from_json({"input_wirings": [{"workflow_input_name": "x", "adapter_id": "store", "ref_id": "local"}]})
    wrong, gone = server.url("owner", "wr0ng-canary"), "postgresql+psycopg://owner:wr0ng-canary@127.0.0.1:1/postgres"
    for url, said in ((wrong, "password authentication failed"), (gone, "the database says: ")):
        adapter = made("sql", secret_of(tmp_path / "secret", url=url), tables=["local"], timeout=2)
        response = json.dumps(run([adds], given, adapters={"store": adapter}))
        assert said in response
        assert "wr0ng-canary" not in response
        assert "postgresql+psycopg://" not in response
        assert failure(adapter, "local").retriable
        adapter.close()
